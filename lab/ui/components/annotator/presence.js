// Whether somebody is there: how long a pair was really looked at, and when they come back to it. What is asked of the
// lab then is the annotator's affair.

const LONGEST_LOOK = 7 * 86400000;

class Presence {
  // `back()` when they return to the page, `stirs()` when they do anything on it, `placed()` when it has come into
  // sight.
  constructor(root, { back, stirs, placed }) {
    this.back = back;
    this.placed = placed;
    this.visible = false;
    this.seen = false;
    /** @type {number | null} */
    this.hiddenAt = null;
    this.begin();
    watchSight(root, (visible) => this.sight(visible));
    window.addEventListener("focus", () => this.visible && back());
    for (const sign of ["pointermove", "pointerdown", "wheel"]) root.addEventListener(sign, stirs, { passive: true });
  }

  // Another pair is on the screen.
  begin() {
    this.since = performance.now();
    this.away = 0;
  }

  // Milliseconds since then, and of them those in sight.
  get passed() {
    return performance.now() - this.since;
  }

  get looked() {
    return Math.round(Math.max(0, Math.min(this.passed - this.away, LONGEST_LOOK)));
  }

  sight(visible) {
    if (!visible) this.hiddenAt = performance.now();
    else if (this.hiddenAt) this.away += performance.now() - this.hiddenAt;
    this.hiddenAt = visible ? null : this.hiddenAt;
    this.visible = visible;
    if (!visible) return;
    this.placed();
    if (this.seen) this.back();
    this.seen = true;
  }
}
