// The arithmetic of the eight steps: pure functions of numbers, each with its formula. The same quantities are computed
// by lab/core/groups.py and lab/training/algorithms/losses.py for a run; tests hold the two equal (tests/ui).
// Who is kept is not here: that is threshold.js, the twin of lab/core/groups.py.

const ADVANTAGE_EPSILON = 1e-4;

/** σ(x) = 1 / (1 + e^−x) @param {number} x */
const sigmoid = (x) => 1 / (1 + Math.exp(-x));

/** −log σ(x), without overflow. @param {number} x */
const minusLogSigmoid = (x) => Math.log1p(Math.exp(-Math.abs(x))) + Math.max(0, -x);

/**
 * Mean and sample deviation (n − 1) of rewards.
 * @param {number[]} rewards
 */
function meanAndStd(rewards) {
  const mean = rewards.reduce((sum, reward) => sum + reward, 0) / rewards.length;
  const squares = rewards.reduce((sum, reward) => sum + (reward - mean) ** 2, 0);
  return { mean, std: rewards.length > 1 ? Math.sqrt(squares / (rewards.length - 1)) : 0 };
}

/**
 * A_i = r_i − μ, or (r_i − μ) / (σ + 1e-4).
 * @param {number[]} rewards
 * @param {boolean} scaled
 */
function advantagesOf(rewards, scaled) {
  const { mean, std } = meanAndStd(rewards);
  return rewards.map((reward) => (reward - mean) / (scaled ? std + ADVANTAGE_EPSILON : 1));
}

/**
 * min(ρA, clip(ρ, 1 − ε, 1 + ε) A), its two branches, and whether the clip holds the policy back.
 * @param {number} ratio
 * @param {number} advantage
 * @param {number} epsilon
 */
function clippedGain(ratio, advantage, epsilon) {
  const free = ratio * advantage;
  const clipped = Math.min(Math.max(ratio, 1 - epsilon), 1 + epsilon) * advantage;
  const held = (ratio < 1 - epsilon && advantage < 0) || (ratio > 1 + epsilon && advantage > 0);
  return { free, clipped, gain: Math.min(free, clipped), held };
}

/**
 * The two forms of the loss over the kept answers D. Clipped: −(1/|D|) Σ min(ρA, clip(ρ)A). The course's:
 * −(1/|D|) Σ log π(y|x) · A. Null where nothing is kept.
 * @param {{ advantage: number, ratio: number, logp: number | null }[]} kept
 * @param {number} epsilon
 */
function groupLoss(kept, epsilon) {
  if (!kept.length) return { clipped: null, course: null };
  const known = kept.every(({ logp }) => isNumber(logp));
  const sum = kept.reduce((all, { ratio, advantage }) => all + clippedGain(ratio, advantage, epsilon).gain, 0);
  const course = known ? kept.reduce((all, { logp, advantage }) => all - logp * advantage, 0) / kept.length : null;
  return { clipped: -sum / kept.length, course };
}

/**
 * δ_t = r_t + γ V(s_t+1) − V(s_t) and A_t = δ_t + γλ A_t+1; V after the end is 0.
 * @param {number[]} rewards
 * @param {number[]} values
 * @param {number} discount
 * @param {number} lam
 */
function gae(rewards, values, discount, lam) {
  const deltas = rewards.map((reward, t) => reward + discount * (values[t + 1] ?? 0) - values[t]);
  const advantages = [...deltas];
  for (let t = advantages.length - 2; t >= 0; t -= 1) advantages[t] += discount * lam * advantages[t + 1];
  return { deltas, advantages };
}

/**
 * DPO on one pair: implicit rewards β (log π − log π_ref), −log σ(margin), and the weight of its gradient, σ(−margin).
 * @param {number} chosen log π − log π_ref of the chosen answer
 * @param {number} rejected of the rejected one
 * @param {number} beta
 */
function dpoPair(chosen, rejected, beta) {
  const margin = beta * (chosen - rejected);
  return { margin, loss: minusLogSigmoid(margin), weight: sigmoid(-margin) };
}

/**
 * Bradley–Terry strengths of `count` answers from judged pairs [winner, loser], with a prior N(0, 1/precision) that
 * keeps them finite: the minimum of Σ −log σ(r_w − r_l) + precision/2 Σ r², by Newton's method in one coordinate after
 * the other. The function is convex, so the order does not matter.
 * @param {number} count
 * @param {[number, number][]} judged
 * @param {number} precision
 */
function bradleyTerry(count, judged, precision = 0.25) {
  const strengths = new Array(count).fill(0);
  for (let round = 0; round < 400; round += 1) {
    let moved = 0;
    for (let at = 0; at < count; at += 1) {
      let slope = precision * strengths[at];
      let bend = precision;
      for (const [winner, loser] of judged) {
        if (winner !== at && loser !== at) continue;
        const lost = sigmoid(strengths[loser] - strengths[winner]); // σ(−(r_w − r_l))
        slope += winner === at ? -lost : lost;
        bend += lost * (1 - lost);
      }
      strengths[at] -= slope / bend;
      moved = Math.max(moved, Math.abs(slope / bend));
    }
    if (moved < 1e-10) break;
  }
  return strengths;
}
