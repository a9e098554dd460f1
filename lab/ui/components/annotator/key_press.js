// A key press anywhere on the page, while the annotator can be seen and nobody types: what it means in the mode that
// the annotator is in.

const SCROLLS = { ArrowDown: 90, ArrowUp: -90, PageDown: 400, PageUp: -400 };

function onKeyPress(annotator, event) {
  if (!annotator.presence.visible || event.defaultPrevented || annotator.help.isOpen || isTyping(event)) return;
  if (event.key === "Backspace") return void event.preventDefault();
  const key = keyOf(event);
  const { mode, queue } = annotator;
  if (key in SCROLLS) {
    if (queue && queue.now && mode !== "editing" && annotator.pair.scrollBy(SCROLLS[key])) event.preventDefault();
    return;
  }
  // A key that is held down judges one pair, not thirty.
  if (event.repeat) return;
  if (key === "Escape" && mode !== "judging" && mode !== "editing") return void annotator.setMode("judging");
  if (mode === "strength") {
    if (key !== "Enter" && !STRENGTHS.includes(Number(key))) return;
    event.preventDefault();
    return void annotator.strong(key === "Enter" ? null : Number(key));
  }
  const action = annotator.keys.action(key);
  if (!action) return;
  event.preventDefault();
  annotator.act(action);
}
