// Who is kept and why, answered in the browser: the twin of lab/core/groups.py, tested against it (tests/ui).
// Pure: a stored group and a threshold in, marks and reasons out.

const NO_SPREAD = 1e-6;
const CEIL_SLACK = 1e-9;

/**
 * @param {Threshold | null | undefined} one
 * @param {Threshold | null | undefined} other
 */
function sameThreshold(one, other) {
  if (!one || !other || one.kind !== other.kind) return false;
  return one.kind !== "top_fraction" || Math.abs((one.fraction ?? 1) - (other.fraction ?? 1)) < 1e-9;
}

/**
 * The best ⌈T·K − 1e-9⌉ by reward, ties to the lower index, unscored ones never.
 * @param {(number | null)[]} rewards
 * @param {number} fraction
 */
function topIndices(rewards, fraction) {
  const count = Math.max(1, Math.ceil(fraction * rewards.length - CEIL_SLACK));
  const order = rewards.map((_, index) => index).filter((index) => isNumber(rewards[index]));
  order.sort((a, b) => rewards[b] - rewards[a] || a - b);
  return order.slice(0, count);
}

/**
 * The reason for each completion, null where it is kept. Unscored goes before no spread before the threshold.
 * @param {(number | null)[]} rewards
 * @param {number} mean
 * @param {number} std
 * @param {Threshold} threshold
 * @returns {(DropReason | null)[]}
 */
function whyDropped(rewards, mean, std, threshold) {
  const top = threshold.kind === "top_fraction" ? new Set(topIndices(rewards, threshold.fraction ?? 1)) : null;
  return rewards.map((reward, index) => {
    if (!isNumber(reward)) return "unscored";
    if (std < NO_SPREAD) return "no_spread";
    if (threshold.kind === "above_mean" && !(reward > mean)) return "below_mean";
    if (top && !top.has(index)) return "not_in_top";
    return null;
  });
}

// The numbers (indices) that tie across the cut of the soft threshold, so that index alone decided; else none.
function tieAtCut(rewards, why) {
  const kept = rewards.map((_, i) => i).filter((i) => why[i] === null);
  const cut = rewards.map((_, i) => i).filter((i) => why[i] === "not_in_top");
  if (!kept.length || !cut.length) return [];
  const edge = Math.min(...kept.map((i) => rewards[i]));
  if (edge !== Math.max(...cut.map((i) => rewards[i]))) return [];
  return [...kept, ...cut].filter((i) => rewards[i] === edge).sort((a, b) => a - b);
}

/**
 * Everything the page says about a group under a threshold. What was trained with is read, not worked out again.
 * @param {GroupLine} line
 * @param {Threshold} threshold
 */
function judge(line, threshold) {
  const rewards = line.completions.map((completion) => completion.reward);
  const trained = sameThreshold(threshold, line.threshold);
  const why = trained
    ? line.completions.map((completion) => (completion.kept ? null : completion.why_dropped || "unscored"))
    : whyDropped(rewards, line.mean, line.std, threshold);
  const soft = threshold.kind === "top_fraction";
  const below = soft ? rewards.filter((reward, i) => why[i] === null && reward < line.mean).length : 0;
  return {
    trained,
    why,
    below,
    tie: soft ? tieAtCut(rewards, why) : [],
    kept: why.filter((reason) => reason === null).length,
  };
}
