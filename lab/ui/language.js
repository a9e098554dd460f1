// The language that the reader chose by the page's switch. It stands in a cookie, for the server, and beside it in the
// browser's own storage, for where cookies are refused. Gradio and every component ask the browser for its language; so
// before they do, the browser is made to answer with the choice.
(() => {
  const KEPT = "lab-language";
  const known = (language) => (language === "zh" || language === "en" ? language : null);
  const stored = () => {
    try {
      return localStorage.getItem(KEPT);
    } catch {
      return null; // nothing is kept here
    }
  };
  const cookie = /(?:^|;\s*)lab_language=(\w+)/.exec(document.cookie);
  const address = new URL(location.href);
  const asked = known(address.searchParams.get("lang"));
  const chosen = asked || known(cookie && cookie[1]) || known(stored());
  if (asked) {
    try {
      localStorage.setItem(KEPT, asked);
    } catch {
      // The cookie holds.
    }
    address.searchParams.delete("lang");
    history.replaceState(history.state, "", address);
  }
  if (!chosen) return;
  const tag = chosen === "zh" ? "zh-CN" : "en";
  Object.defineProperty(navigator, "language", { get: () => tag, configurable: true });
  Object.defineProperty(navigator, "languages", { get: () => [tag], configurable: true });
  document.documentElement.lang = tag;
})();
