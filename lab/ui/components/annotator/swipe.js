// A finger on the cards: to the left it prefers A, to the right B, as the arrow keys do and as the buttons lie. The
// card that would be chosen says so while the finger moves; back before it is lifted, and nothing is chosen. Up and
// down stays the browser's own scrolling (`touch-action` in style.css), and a mouse stays free to mark text.

const SWIPE_SLOP = 10; // pixels; before that it may still become anything
const SWIPE_STEEP = 1.4; // how many times further sideways than up or down
const SWIPE_SOON = 450; // milliseconds; a finger that rests so long marks text
const SWIPE_EDGE = 18; // pixels; there the browser's own gestures begin
const SWIPE_SHIFT = 12; // pixels that the cards give way: what a phone leaves beside them
const SWIPE_LESSONS = 10; // pairs; whoever has judged so many knows the buttons
const SWIPE_KEPT = "lab-annotate.swiped";

// How far a finger has to go: less than a thumb's reach, more than a slip.
const swipeReach = (width) => Math.max(72, Math.min(0.26 * width, 130));

class Swipe {
  // `subject()` is what the finger is about, null where there is nothing to choose; `choose(side)` once a finger was
  // lifted far enough.
  constructor(pair, { subject, choose }) {
    this.pair = pair;
    this.subject = subject;
    this.choose = choose;
    this.finger = null;
    const grid = pair.grid;
    grid.addEventListener("pointerdown", (event) => this.touched(event));
    grid.addEventListener("pointermove", (event) => this.moved(event));
    grid.addEventListener("pointerup", (event) => this.lifted(event));
    for (const lost of ["pointercancel", "contextmenu"]) grid.addEventListener(lost, () => this.forget());
  }

  touched(event) {
    if (event.pointerType !== "touch") return;
    // A second finger zooms; it chooses nothing.
    if (!event.isPrimary || this.finger) return this.forget();
    const { clientX: x, clientY: y, pointerId: id, target } = event;
    if (x < SWIPE_EDGE || x > innerWidth - SWIPE_EDGE || target.closest("button, textarea") || isZoomed()) return;
    const about = this.subject();
    if (about)
      this.finger = { id, x, y, about, at: event.timeStamp, width: this.pair.grid.clientWidth, swiping: false };
  }

  moved(event) {
    const { finger } = this;
    if (!finger || event.pointerId !== finger.id) return;
    const across = event.clientX - finger.x;
    if (!finger.swiping && !this.begins(event, across, event.clientY - finger.y)) return;
    if (this.subject() !== finger.about) return this.forget(); // another pair has come meanwhile
    const side = across < 0 ? "a" : "b";
    finger.side = Math.abs(across) >= swipeReach(finger.width) ? side : null;
    this.show(side, Boolean(finger.side), across);
  }

  // Whether it has become a swipe. What goes up or down, or has waited, never does.
  begins(event, across, along) {
    const { finger } = this;
    if (Math.hypot(across, along) < SWIPE_SLOP) return false;
    const marking = String(getSelection()) !== "";
    if (marking || Math.abs(across) < SWIPE_STEEP * Math.abs(along) || event.timeStamp - finger.at > SWIPE_SOON) {
      this.forget();
      return false;
    }
    finger.swiping = true;
    this.pair.grid.setPointerCapture(finger.id);
    return true;
  }

  lifted(event) {
    const { finger } = this;
    if (!finger || event.pointerId !== finger.id) return;
    const side = this.subject() === finger.about ? finger.side : null;
    this.forget(Boolean(side));
    if (!side) return;
    writeKept(localStorage, SWIPE_KEPT, true);
    this.choose(side);
  }

  // At once where something was chosen: the next pair comes without a movement of its own.
  forget(atOnce = false) {
    const { finger } = this;
    this.finger = null;
    if (finger && finger.swiping) this.show(null, false, 0, atOnce);
  }

  show(side, far, across, atOnce = false) {
    const { grid, cards } = this.pair;
    for (const [name, card] of Object.entries(cards)) {
      toggle(card.node, "toward", name === side);
      conceal(card.sign, name !== side);
      mark(card.sign, "data-far", name === side ? far : null);
    }
    toggle(grid, "swiping", Boolean(side) || atOnce);
    grid.style.setProperty("--across", Math.round(SWIPE_SHIFT * Math.tanh(across / 60)) + "px");
    if (atOnce) requestAnimationFrame(() => toggle(grid, "swiping", false));
  }
}

// Where the page is magnified, a finger moves the page.
const isZoomed = () => Boolean(window.visualViewport && visualViewport.scale > 1.02);

// Tells style.css, before a finger comes, whether it may move the page sideways.
function watchZoom(node) {
  if (!window.visualViewport) return;
  visualViewport.addEventListener("resize", () => toggle(node, "zoomed", isZoomed()));
}

// Whether to say that one may swipe: where fingers are at hand, until somebody has.
const swipeIsNews = () => matchMedia("(pointer: coarse)").matches && !readKept(localStorage, SWIPE_KEPT, false);
