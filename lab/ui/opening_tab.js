// Which tab the page opens on: the one that the address names (`?tab=annotate`), else the one that was last looked at here.
//
// The page is built once for everybody and opens on Train. Gradio runs this script before it draws, so the script writes another
// choice into Gradio's configuration. What a handler selects later (`?run=…`) still holds. An annotator's first visit opens on
// Annotate; who somebody is comes late (header.py), and where they have chosen a tab meanwhile it stays.
// On a narrow screen the bar of tabs scrolls, so that the selected one is in sight.
// Where it opens on Compare, plotly is asked for at once: Gradio asks for it only once a figure is there.
// Where the page opens on Annotate and no pair is kept in the browser, the script fetches the first pairs meanwhile, as the annotator would.
(() => {
  const kept = "lab-tab";
  const asked = new URLSearchParams(location.search);
  const named =
    asked.get("tab") || (asked.has("collection") ? "annotate" : asked.has("run") ? null : localStorage.getItem(kept));
  const config = window.gradio_config;
  const tabs = config && config.components.find(({ props }) => props && props.elem_id === "tabs");
  const known = config && config.components.some(({ type, props }) => type === "tabitem" && props.id === named);
  if (tabs && known) tabs.props.selected = named;
  if (named === "compare" && window.labPlotly) {
    const chart = Object.assign(document.createElement("link"), { rel: "modulepreload" });
    chart.href = new URL(`assets/${window.labPlotly}`, document.baseURI);
    document.head.append(chart);
  }
  const get = async (path) => {
    const answer = await fetch(path, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.status);
    return answer.json();
  };
  const pairsOf = (id) => get(`api/annotate/collections/${encodeURIComponent(id)}/pairs?count=6`);
  const firstPairs = async () => {
    const wanted = asked.get("collection") || JSON.parse(localStorage.getItem("lab-annotate.collection"));
    const both = [get("api/annotate/collections"), wanted ? pairsOf(wanted).catch(() => null) : null];
    const [{ collections }, pairs] = await Promise.all(both);
    if (pairs) return { collections, collection: wanted, pairs };
    const found = collections.find(({ left }) => left > 0) || collections[0];
    return { collections, collection: found && found.id, pairs: found && (await pairsOf(found.id)) };
  };
  const inHand = [...Object.keys(sessionStorage), ...Object.keys(localStorage)].some((name) =>
    /^lab-annotate\.(hand|outbox)/.test(name),
  );
  if (named === "annotate" && !inHand) {
    window.labEarly = firstPairs().catch(() => null);
    window.labEarly.then((first) => window.labEarly && (window.labEarly = first));
  }
  let chosen = Boolean(named) || asked.has("run");
  document.addEventListener(
    "click",
    (event) => {
      const tab = event.target.closest && event.target.closest("#tabs > .tab-wrapper [role=tab]");
      if (!tab) return;
      chosen = true;
      localStorage.setItem(kept, tab.dataset.tabId);
    },
    true,
  );

  const showSelected = (bar) => {
    const tab = bar.querySelector("[aria-selected=true]");
    if (tab) bar.scrollLeft = tab.offsetLeft - (bar.clientWidth - tab.offsetWidth) / 2;
  };
  new MutationObserver((_, drawn) => {
    const bar = document.querySelector("#tabs > .tab-wrapper > [role=tablist]");
    if (!bar || !document.body.dataset.access) return;
    drawn.disconnect();
    if (document.body.dataset.access === "annotator" && !chosen) bar.querySelector("[data-tab-id=annotate]").click();
    const selected = { subtree: true, childList: true, attributeFilter: ["aria-selected"] };
    new MutationObserver(() => showSelected(bar)).observe(bar, selected);
    showSelected(bar);
  }).observe(document.documentElement, { subtree: true, childList: true, attributeFilter: ["data-access"] });
})();
