// How this browser shows what people and models wrote: as written, which is the default, or as displayed, with
// Markdown, tables and mathematics (markdown.js). One choice for every component of the page, kept in the browser; the
// libraries are loaded from the lab itself when it is first made.

const DISPLAY_KEPT = "lab-text.displayed";
const DISPLAY_CHANGED = "lab-text-displayed";
const DISPLAY_LIBRARIES = ["markdown-it-15.0.3.min.js", "purify-3.5.0.min.js", "temml-0.13.5.min.js"];

// What the components of one page share: the choice, the rendering once it is loaded, and whether loading it has
// failed.
function sharedDisplay() {
  if (!window.labTextDisplay)
    window.labTextDisplay = {
      chosen: readKept(localStorage, DISPLAY_KEPT, false),
      render: null,
      loading: null,
      failed: false,
    };
  return window.labTextDisplay;
}

function loadScript(path) {
  return new Promise((done, failed) => {
    const script = make("script", { src: address(path), onload: done, onerror: () => failed(new Error(path)) });
    /** @type {HTMLScriptElement | null} */
    const allowed = document.querySelector("script[nonce]"); // a page whose policy names its scripts
    if (allowed) script.nonce = allowed.nonce;
    document.head.append(script);
  });
}

async function loadDisplay(shared) {
  try {
    await Promise.all(DISPLAY_LIBRARIES.map((name) => loadScript("vendor/" + name)));
    Object.assign(shared, { render: newDisplay(), failed: false });
  } catch {
    Object.assign(shared, { failed: true, chosen: false });
  }
  shared.loading = null;
  window.dispatchEvent(new Event(DISPLAY_CHANGED));
}

class TextDisplay {
  /** @param {() => void} changed is called whenever texts are to be shown in the other form */
  constructor(changed) {
    this.shared = sharedDisplay();
    window.addEventListener(DISPLAY_CHANGED, changed);
    window.addEventListener(
      "storage",
      ({ key }) => key === DISPLAY_KEPT && this.choose(readKept(localStorage, DISPLAY_KEPT, false)),
    );
    if (this.shared.chosen) this.load();
  }

  get chosen() {
    return this.shared.chosen;
  }

  // Whether texts are shown as displayed now: it was chosen, and the libraries are here.
  get on() {
    return this.shared.chosen && this.shared.render !== null;
  }

  get failed() {
    return this.shared.failed;
  }

  load() {
    const { shared } = this;
    if (!shared.render && !shared.loading) shared.loading = loadDisplay(shared);
  }

  choose(chosen) {
    if (chosen === this.shared.chosen) return;
    Object.assign(this.shared, { chosen, failed: false });
    writeKept(localStorage, DISPLAY_KEPT, chosen);
    if (chosen) this.load();
    window.dispatchEvent(new Event(DISPLAY_CHANGED));
  }

  /**
   * The text as nodes; null where it is to be shown as written.
   * @param {string} text
   */
  nodes(text) {
    if (!this.on || text.length > LONGEST_DISPLAYED) return null;
    return make("div.displayed", this.shared.render(text));
  }
}
