// What an open page follows (`GET /api/changes`): one event stream for the whole page, closed while the browser tab is
// hidden. Whoever waits for something gives the marks that it was told, and is called once when one of them is no
// longer true.
window.labChanges = (() => {
  const FEW_FAILURES = 3;
  const POLL = 5000; // where streams do not get through, and only while somebody waits
  const marks = {};
  const listeners = new Set();
  let stream = null;
  let timer = null;
  let failures = 0;

  // A route of the lab's, below the path that a proxy may have put the page at.
  const address = (path) => {
    const root = (window.gradio_config && window.gradio_config.root) || document.baseURI;
    return location.origin + new URL(root, location.href).pathname.replace(/\/+$/, "") + "/" + path;
  };
  const take = (changed) => {
    failures = 0;
    Object.assign(marks, changed);
    for (const listener of [...listeners]) listener();
  };
  const halt = () => {
    if (stream) stream.close();
    stream = null;
    clearTimeout(timer);
    timer = null;
  };
  const later = (pause) => {
    timer = setTimeout(() => {
      timer = null;
      begin();
    }, pause);
  };
  const ask = async () => {
    try {
      const answer = listeners.size
        ? await fetch(address("api/changes"), { headers: { Accept: "application/json" } })
        : null;
      if (answer && answer.ok) take(await answer.json());
    } catch {
      // The next look tells.
    }
    if (!document.hidden && !timer) later(POLL);
  };
  const begin = () => {
    if (document.hidden || stream || timer) return;
    if (failures >= FEW_FAILURES || !window.EventSource) return void ask();
    stream = new EventSource(address("api/changes"));
    stream.onmessage = (event) => take(JSON.parse(event.data));
    stream.onerror = () => {
      failures += 1;
      halt();
      later(Math.min(500 * 2 ** failures, 8000));
    };
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? halt() : begin()));
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin(); // Gradio may put the page's head in later

  return {
    address,
    marks,
    // Calls back at every event; gives a function that ends it.
    listen(callback) {
      listeners.add(callback);
      return () => listeners.delete(callback);
    },
    // Calls back at the events that change one of these marks; gives a function that ends it.
    follow(topics, callback) {
      let told = null;
      return this.listen(() => {
        const now = topics.map((topic) => marks[topic]).join(" ");
        if (now === told) return;
        told = now;
        callback();
      });
    },
    // Calls back once, when a mark is no longer the one that is waited for; gives a function that ends the wait. The
    // marks that were told may be newer than the stream's. Who waits again gives the same `fired`, an object of its own:
    // then marks that called back once do not do so again.
    wait(told, callback, fired = {}) {
      const topics = Object.keys(told || {});
      if (!topics.length) return () => {};
      const look = () => {
        if (!topics.some((topic) => topic in marks && marks[topic] !== told[topic])) return;
        const now = JSON.stringify(topics.map((topic) => [topic, marks[topic]]));
        if (fired.marks === now) return;
        fired.marks = now;
        listeners.delete(look);
        callback();
      };
      listeners.add(look);
      queueMicrotask(look);
      return () => listeners.delete(look);
    },
  };
})();
