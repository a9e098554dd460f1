// Where the time of a step goes: one stacked bar, and the same shares as text beside it.

const PARTS = ["generation", "scoring", "rewards", "forward", "backward", "optimizer", "writing", "waiting"];

class StepTime {
  constructor() {
    this.title = make("h4");
    this.bar = make("div.parts", { "aria-hidden": "true" });
    this.list = make("ul.part-names");
    this.node = make("section.step-time", { "data-testid": "step-time" }, this.title, this.bar, this.list);
    this.told = "";
  }

  // `time` is {"steps", "seconds", "parts": {part: share}, "roofline"}, or null before the first step.
  show(time) {
    conceal(this.node, !time);
    const told = JSON.stringify(time || null);
    if (!time || told === this.told) return;
    this.told = told;
    const seconds = time.seconds < 10 ? figure(time.seconds, 2) : figure(time.seconds, 0);
    say(this.title, word("step_time", { seconds, steps: time.steps }));
    const shares = PARTS.map((part) => [part, time.parts[part] || 0]).filter(([, share]) => share > 0);
    const cells = shares.map(([part, share]) => {
      const cell = make("span.part", { "data-part": part });
      cell.style.flexGrow = String(share);
      return cell;
    });
    this.bar.replaceChildren(...cells);
    this.list.replaceChildren(...shares.map(([part, share]) => this.row(part, share, time.roofline)));
  }

  // `roofline` is {"format", "flops", "bytes", "parts": {part: share}}, or null where the machine was not measured.
  row(part, share, roofline) {
    const percent = share < 0.005 ? "< 1 %" : `${Math.round(100 * share)} %`;
    const row = make(
      "li",
      { "data-part": part, title: word(`about_${part}`) },
      make("span.swatch", { "aria-hidden": "true" }),
      make("span", word(`time_${part}`)),
      " ",
      make("strong", percent),
    );
    const reached = roofline ? roofline.parts[part] : undefined;
    if (reached !== undefined) {
      const rates = { gflops: figure(roofline.flops / 1e9, 0), gigabytes: figure(roofline.bytes / 1e9, 0) };
      const title = word("about_roofline", { ...rates, format: roofline.format });
      row.append(make("small.roofline", { title }, word("of_roofline", { share: figure(100 * reached, 0) })));
    }
    return row;
  }
}
