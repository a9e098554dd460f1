// What a key press means, whatever the keyboard layout and the input method: the one place that every component asks.
// It acts on nothing itself.

/**
 * Whether the press belongs to an input method that is composing. Some browsers end the composition first and say so
 * only by the key code 229 of the press that ended it.
 * @param {KeyboardEvent} event
 */
const isComposing = (event) => Boolean(event.isComposing) || event.keyCode === 229;

/**
 * The key by its name: a lower-case letter, a digit, another character, or a name such as "ArrowLeft". Digits count by
 * their place in the row above the letters, since AZERTY, Czech and Thai layouts write other characters there without
 * Shift. Letters count by place where the layout has no Latin ones. With NumLock off, the number pad keeps its arrows.
 * @param {Partial<KeyboardEvent>} event
 * @returns {string}
 */
function keyOf({ key = "", code, shiftKey }) {
  const [, letter, rowDigit, padDigit] = /^(?:Key([A-Z])|Digit(\d)|Numpad(\d))$/.exec(code || "") || [];
  if (/^\d$/.test(key)) return key;
  if (rowDigit && !shiftKey) return rowDigit;
  if (/^[\x21-\x7e]$/.test(key)) return key.toLowerCase();
  if (key.length > 1 && !["Process", "Unidentified", "Dead"].includes(key)) return key;
  return padDigit || (letter ? letter.toLowerCase() : key);
}

/**
 * Whether the press belongs to a field that is being typed in, to an input method, or to the browser.
 * @param {KeyboardEvent} event
 */
function isTyping(event) {
  if (isComposing(event) || event.ctrlKey || event.metaKey || event.altKey) return true;
  const [target] = event.composedPath();
  return (
    target instanceof Element &&
    Boolean(target.closest("input, textarea, select, [contenteditable]:not([contenteditable=false])"))
  );
}
