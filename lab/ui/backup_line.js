// The line of the backup: asked for again when the server says that something has changed. Its words are in `data-words`.
const line = element.querySelector(".lab-backup");
const language = (navigator.language || "en").toLowerCase().startsWith("zh") ? "zh" : "en";
const words = JSON.parse(line.dataset.words)[language];
const show = (state) => {
  const when = state.last ? new Date(state.last * 1000) : null;
  const time = when ? when.toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit" }) : "";
  const date = when && when.toDateString() !== new Date().toDateString() ? when.toLocaleDateString(language) + " " : "";
  const key = state.failing ? "failed" : !state.last ? "none" : state.waiting ? "some" : "all";
  line.dataset.state = key;
  line.textContent = words[key].replace("{count}", state.waiting).replace("{time}", date + time || "–");
  line.title = state.why || state.dataset || "";
};
const ask = () =>
  fetch("api/backup", { headers: { Accept: "application/json" } })
    .then((answer) => (answer.ok ? answer.json() : null))
    .then((state) => state && state.on && show(state))
    .catch(() => {}); // the next change asks again
if (window.labChanges) window.labChanges.follow(["backup"], ask);
ask();
