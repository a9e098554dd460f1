// When the Compare tab asks: once it is looked at, when the theme changes, and, while something that it shows goes on,
// as the page's event stream says, at most every two seconds. And the wall view, which leaves only what a room reads.
const PAUSE = 2000;
const panel = () => document.getElementById("compare");
let looked = false;
let end = () => {};
let timer = null;

const ask = () => {
  timer = null;
  if (looked) trigger("select", {});
};
const askSoon = () => {
  if (timer === null) timer = setTimeout(ask, PAUSE);
};
const wait = () => {
  end();
  const told = JSON.parse(props.value || "{}");
  if (window.labChanges && told.waits) end = window.labChanges.wait(told.waits, askSoon);
  const { wanted } = window.labCompare;
  if (wanted && told.curves && String(told.curves) !== String(wanted)) trigger("submit", {});
};
const seen = new IntersectionObserver((entries) => {
  if (looked || !entries.some((entry) => entry.isIntersecting)) return;
  looked = true;
  ask();
});
const begin = () => {
  const place = panel();
  if (place) seen.observe(place);
  else requestAnimationFrame(begin);
};
let dark = document.body.classList.contains("dark");
new MutationObserver(() => {
  const now = document.body.classList.contains("dark");
  if (now === dark) return;
  dark = now;
  ask();
}).observe(document.body, { attributes: true, attributeFilter: ["class"] });

const setWall = (on) => {
  document.body.classList.toggle("compare-on-wall", on);
  if (on && document.documentElement.requestFullscreen) document.documentElement.requestFullscreen().catch(() => {});
  else if (!on && document.fullscreenElement) document.exitFullscreen().catch(() => {});
  window.dispatchEvent(new Event("resize"));
};
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") setWall(false);
});
document.addEventListener("fullscreenchange", () => {
  if (!document.fullscreenElement) setWall(false);
});
window.labCompare = { wanted: null, wall: () => setWall(!document.body.classList.contains("compare-on-wall")) };
watch("value", wait);
begin();
