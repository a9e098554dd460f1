// What can wait, and until when: after the next picture, or until the browser has nothing better to do. It keeps
// nothing itself.

// After the next frame is on the screen, or soon where the page is hidden and draws none.
function afterPaint(callback) {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    callback();
  };
  requestAnimationFrame(() => setTimeout(once, 0));
  setTimeout(once, 400);
}

// At most half a second later, and before the page goes; `requestIdleCallback` is missing in some browsers.
function whenIdle(callback) {
  let done = false;
  const once = () => {
    if (done) return;
    done = true;
    removeEventListener("pagehide", once);
    callback();
  };
  addEventListener("pagehide", once);
  if (window.requestIdleCallback) requestIdleCallback(once, { timeout: 500 });
  else setTimeout(once, 200);
  return once;
}
