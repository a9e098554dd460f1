// The chat that stands ready on the server: opened when it is needed, asked, stopped, and followed by server-sent
// events. It knows no page.

const CHAT_OVER = ["finished", "failed", "stopped", "lost"];

class Talk {
  /**
   * @param {(line: any) => void} take gets each line that the worker writes
   * @param {() => void} changed is called when the state of the chat has changed
   * @param {() => void} again is called before the lines are read from the start
   */
  constructor(take, changed, again) {
    this.take = take;
    this.changed = changed;
    this.again = again;
    this.id = null;
    this.job = null;
    this.ready = null;
    this.cursor = 0;
    this.stream = null;
    this.visible = false;
  }

  /** What it is doing: closed, waiting, loading, ready, answering, scoring. */
  get state() {
    const { job } = this;
    if (!this.id || !job || CHAT_OVER.includes(job.state)) return "closed";
    if (job.state === "queued") return job.waits_for ? "waiting" : "loading";
    return job.stage || "loading";
  }

  // The server's chat with this spec; another one ends.
  async open(spec) {
    const job = await fetchJson("api/play", { body: spec });
    this.attach(job);
    return job;
  }

  // Follow a chat that stands ready already, or that was just opened.
  attach(job) {
    this.job = job;
    if (job.id === this.id) return;
    this.halt();
    Object.assign(this, { id: job.id, cursor: 0, ready: null });
    this.again();
    this.follow();
  }

  ask(body) {
    return fetchJson(`api/play/${encodeURIComponent(this.id)}/ask`, { body });
  }

  stop(id) {
    return request(`api/play/${encodeURIComponent(this.id)}/stop`, { body: { id } });
  }

  async close() {
    const { id } = this;
    this.leave();
    if (id) await request(`api/play/${encodeURIComponent(id)}`, { method: "DELETE" }).catch(() => {}); // it has ended
  }

  leave() {
    this.halt();
    Object.assign(this, { id: null, job: null, ready: null, cursor: 0 });
    this.changed();
  }

  // Streams are closed in a hidden tab: a browser opens six connections a host. The cursor brings back what was missed.
  show(visible) {
    this.visible = visible;
    if (visible) this.follow();
    else this.halt();
  }

  halt() {
    clearTimeout(this.timer);
    if (this.stream) this.stream.close();
    this.stream = null;
  }

  follow() {
    if (!this.visible || !this.id || this.stream) return;
    const stream = new EventSource(address(`api/play/${encodeURIComponent(this.id)}/events?since=${this.cursor}`));
    this.stream = stream;
    stream.onmessage = (event) => this.stream === stream && this.accept(JSON.parse(event.data));
    stream.addEventListener("end", (event) => {
      if (this.stream !== stream) return;
      this.accept(JSON.parse(event.data));
      this.halt();
    });
    stream.onerror = () => {
      if (this.stream !== stream) return;
      this.halt();
      this.timer = setTimeout(() => this.look(), 1000);
    };
  }

  // After a broken stream: is the chat still there? The stream itself cannot tell a refusal from a lost connection.
  async look() {
    const { id } = this;
    if (!id || !this.visible) return;
    try {
      const page = await fetchJson(`api/play/${encodeURIComponent(id)}/events?since=${this.cursor}`);
      if (id !== this.id) return;
      this.accept(page);
      if (!CHAT_OVER.includes(page.job.state)) this.follow();
    } catch (error) {
      if (isGone(error)) this.leave();
      else this.timer = setTimeout(() => this.look(), 3000);
    }
  }

  accept({ cursor, lines, job }) {
    this.cursor = cursor;
    for (const line of lines) {
      if (line.ready) this.ready = line.ready;
      else this.take(line);
    }
    if (job) this.job = job;
    this.changed();
  }
}
