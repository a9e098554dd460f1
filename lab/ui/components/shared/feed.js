// The live feed of a run, by server-sent events or by polling. It keeps nothing but the feed's cursor.

// Follows one run: frames go to `take`, until the run has ended or `close` is called. Paused while nobody can see it,
// since a browser opens six connections a host only; it resumes from the cursor. Where streams do not get through, it
// polls.
function followRun(run, take, ended) {
  let cursor = "";
  let stream = null;
  let timer = null;
  let over = false;
  let wanted = false;
  let failures = 0;
  let asking = false;
  let polls = !window.EventSource;

  const path = () => `api/runs/${encodeURIComponent(run)}/events?since=${encodeURIComponent(cursor)}`;
  const halt = () => {
    if (stream) stream.close();
    stream = null;
    clearTimeout(timer);
    timer = null;
  };
  const finish = () => {
    over = true;
    halt();
    if (ended) ended();
  };
  const accept = (text) => {
    if (!text || over) return;
    const frame = typeof text === "string" ? JSON.parse(text) : text;
    if (!frame || typeof frame !== "object" || !("run" in frame)) return;
    if (frame.cursor !== undefined && frame.cursor !== null) cursor = String(frame.cursor);
    failures = 0;
    take(frame);
  };
  const later = (pause) => {
    timer = setTimeout(() => {
      timer = null;
      begin();
    }, pause);
  };
  const poll = async () => {
    asking = true;
    try {
      const before = cursor;
      const frame = await fetchJson(path());
      if (!wanted || over) return;
      accept(frame);
      const active = Boolean(frame.run) && ACTIVE.includes(frame.run.state);
      if (!active && cursor === before) return void finish();
      later(active ? 2000 : 0);
    } catch (error) {
      if (isGone(error)) return void finish();
      if (wanted && !over) later(5000);
    } finally {
      asking = false;
    }
  };
  const begin = () => {
    if (!wanted || over || stream || timer || asking) return;
    if (polls) return void poll();
    stream = new EventSource(address(path()));
    stream.onmessage = (event) => accept(event.data);
    stream.addEventListener("end", (event) => {
      try {
        accept(event.data);
      } catch {
        // An end without a frame is an end all the same.
      }
      finish();
    });
    stream.onerror = () => {
      if (over || !stream) return;
      failures += 1;
      polls = failures >= 3;
      halt();
      later(Math.min(500 * 2 ** failures, 8000));
    };
  };
  return {
    show(visible) {
      wanted = visible;
      if (visible) begin();
      else halt();
    },
    close() {
      wanted = false;
      over = true;
      halt();
    },
  };
}
