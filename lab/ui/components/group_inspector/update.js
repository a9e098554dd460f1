// What an update made of a group, from its line of groups.jsonl and, where they were kept, its tokens
// (tokens.jsonl): who pushed, who was clipped, who was left out. Pure, but for the words.

/** @typedef {{ index: number, token_ids: number[], token_texts: TokenText[] | null, logps: number[],
 *   ref_logps?: number[], entropies: number[], ratios?: number[], clipped?: boolean[],
 *   parts: number[] }} ToldCompletion */
/** @typedef {{ at: number, update: number, completions: ToldCompletion[] }} ToldUpdate */

const MOST_NAMED = 6;

/**
 * The completion of one update, or undefined where its tokens were not kept.
 * @param {ToldUpdate[] | undefined} updates
 * @param {number} index
 * @param {number} [place] which of the updates; the last one where not given
 * @returns {ToldCompletion | undefined}
 */
function toldOf(updates, index, place) {
  const update = updates && updates[place ?? updates.length - 1];
  return update && update.completions.find((told) => told.index === index);
}

/** @param {number[]} indices */
function numbered(indices) {
  const shown = indices.slice(0, MOST_NAMED).map((index) => "#" + (index + 1));
  const more = indices.length - shown.length;
  if (more) shown.push(word("and_more", { n: more }));
  return shown.join(chosenLanguage() === "zh" ? "、" : ", ");
}

/**
 * One or more sentences on what trained, what was clipped in the last update that is known, and what was left out.
 * @param {GroupLine} line
 * @param {any} recipe
 * @param {ToldUpdate[] | undefined} updates
 */
function updateSentences(line, recipe, updates) {
  const { completions } = line;
  if (isPair(line)) return word("update_pair", { push: Math.round(completions[0].advantage * 100) });
  const among = (test) => completions.map((_, i) => i).filter((i) => test(completions[i]));
  const up = among((one) => one.kept && one.advantage > 0);
  const down = among((one) => one.kept && one.advantage < 0);
  const out = among((one) => !one.kept);
  const sentences = [];
  if (up.length) sentences.push(word("update_up", { numbers: numbered(up) }));
  if (down.length) sentences.push(word("update_down", { numbers: numbered(down) }));
  if (!up.length && !down.length) sentences.push(word("update_nothing"));
  if (updates && updates.length) sentences.push(clippedSentence(updates[updates.length - 1]));
  else if (updates && recipe && recipe.iterations > 1 && up.length + down.length)
    sentences.push(word("update_unknown"));
  if (out.length) sentences.push(word("update_out", { numbers: numbered(out) }));
  return sentences.join(chosenLanguage() === "zh" ? "" : " ");
}

/**
 * Whether a line is a pair of preferences (DPO), shown as a group of two.
 * @param {GroupLine} line
 */
const isPair = (line) => isNumber(line.margin);

/** @param {ToldUpdate} update */
function clippedSentence(update) {
  const counts = update.completions.map((told) => told.clipped.filter(Boolean).length);
  const n = counts.reduce((sum, count) => sum + count, 0);
  const count = update.completions.reduce((sum, told) => sum + told.clipped.length, 0);
  if (!n) return word(update.update === 1 ? "update_first" : "update_not_clipped", { update: update.update });
  const who = numbered(update.completions.filter((_, at) => counts[at]).map((told) => told.index));
  return word("update_clipped", { update: update.update, n, count, numbers: who });
}

// How the advantages of a run are made of rewards: the ending of the words that explain them.
function estimatorOf(recipe) {
  if (!recipe) return "group_scaled";
  if (!("scale_rewards" in recipe)) return recipe.algorithm; // its advantages are not made of the group's rewards
  if (recipe.baseline === "leave_one_out") return "leave_one_out";
  return recipe.scale_rewards === false ? "unscaled" : "group_scaled";
}
