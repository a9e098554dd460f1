// Which runs of the list are shown and in which order: what was typed into the filter, and by what they are sorted.

const SORTS = ["newest", "oldest", "name", "best", "longest"];

// What a run was measured to reach: pass@1, else the share of pairs; runs without either come last.
const reached = ({ result }) => {
  const after = (result && result.after) || {};
  const share = isNumber(after.pass_at_1) ? after.pass_at_1 : after.pair_accuracy;
  return isNumber(share) ? share : -1;
};
const took = ({ result }) => (result && isNumber(result.seconds) ? result.seconds : -1);

// Every word that was typed must stand in the name, the algorithm, the state, a tag or the note; "#word" means a tag.
function matches(run, typed) {
  const tags = run.tags || [];
  const state = word("state_" + run.state);
  const texts = [run.title || run.name, run.algorithm, run.state, state, run.note || "", ...tags];
  const all = texts.join("\n").toLowerCase();
  return typed
    .toLowerCase()
    .split(/\s+/)
    .filter(Boolean)
    .every((part) =>
      part.startsWith("#") ? tags.some((tag) => tag.toLowerCase().startsWith(part.slice(1))) : all.includes(part),
    );
}

function arranged(runs, typed, sort) {
  const kept = runs.filter((run) => matches(run, typed));
  const name = (run) => String(run.title || run.name || "");
  if (sort === "oldest") kept.reverse();
  else if (sort === "name") kept.sort((one, other) => name(one).localeCompare(name(other)));
  else if (sort === "best") kept.sort((one, other) => reached(other) - reached(one));
  else if (sort === "longest") kept.sort((one, other) => took(other) - took(one));
  return kept;
}
