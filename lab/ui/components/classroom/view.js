// Puts the owner's or the guest's page up, and asks the lab again when the page's event stream says that something has
// changed.

const OWNER_FOLLOWS = ["class", "judgements", "runs", "progress"];
const GUEST_FOLLOWS = ["class", "runs"];
const PAUSE = 1000;
const TICK = 15000; // who is away shows without any event

function classroomView() {
  const root = element.querySelector(".lab");
  const owner = () => document.body.dataset.access === "owner";
  let page = null;
  let timer = null;
  const took = (view) => page && page.show(view);
  const ask = spaced(async () => {
    if (!root.isConnected || document.hidden || !page) return;
    try {
      page.show(await fetchJson(page instanceof OwnerPage ? "api/class" : "api/class/me"));
    } catch (error) {
      if (page instanceof OwnerPage) page.fail(error);
    }
  }, PAUSE);
  const begin = () => {
    if (page || !document.body.dataset.access) return;
    page = owner() ? new OwnerPage(took, "owner") : new GuestPage(took);
    root.replaceChildren(page.node);
    window.labChanges.follow(owner() ? OWNER_FOLLOWS : GUEST_FOLLOWS, ask);
    ask();
  };
  root.append(make("p.quiet", word("loading")));
  watchSight(element, (visible) => {
    clearInterval(timer);
    if (!visible) return;
    begin();
    ask();
    timer = setInterval(ask, TICK);
  });
  new MutationObserver(begin).observe(document.body, { attributes: true, attributeFilter: ["data-access"] });
  root.addEventListener("focusout", () => page && page.later && ((page.later = false), ask()));
  begin();
}

classroomView();
