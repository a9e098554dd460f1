// The annotator's host in a page without Gradio: what `gr.HTML` gives to a component's script, and the header's
// buttons.
(() => {
  const data = JSON.parse(document.getElementById("page-data").textContent);
  window.labEarly = data.first;

  const element = document.getElementById("annotator");
  const props = data.props;
  const watch = () => {}; // a value never changes here: another one is another page
  const trigger = () => location.assign("./?tab=annotate"); // the only event leads to where pairs are added

  const host = document.querySelector(".page-head");
  host.querySelector(".theme").addEventListener("click", () => {
    const dark = document.documentElement.classList.toggle("dark");
    try {
      localStorage.setItem("lab-theme", dark ? "dark" : "light");
    } catch {
      // It holds for as long as the page.
    }
  });
  host.querySelector(".language").addEventListener("click", (event) => {
    const address = new URL(location.href);
    address.searchParams.set("lang", event.currentTarget.value);
    location.replace(address);
  });
  host.querySelector("form").addEventListener("submit", (event) => {
    if (data.leave && !confirm(data.leave)) event.preventDefault();
  });

  COMPONENT;
})();
