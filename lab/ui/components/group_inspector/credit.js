// What PPO credited each token with, from a stored line: the twin of lab/core/token_credit.py, tested against it
// (tests/ui). Pure: numbers in, numbers out; and how a token's text is written so that nothing of it is invisible.

/** @param {Completion} completion */
const isCredited = (completion) => Array.isArray(completion.values) && Array.isArray(completion.token_advantages);

/**
 * Whether a line tells what an advantage was made of: the tokens' rewards, or in older lines the whitening that
 * undoes it.
 * @param {Completion} completion
 * @param {{ mean: number, std: number } | null | undefined} whitening
 */
const isExplained = (completion, whitening) => Array.isArray(completion.token_rewards) || Boolean(whitening);

/**
 * One entry a token: piece, value, advantage; where the line explains them also estimate (GAE), delta, reward, and
 * `came`: the sum of the rewards from here on, which the value was a guess of.
 * @param {Completion} completion
 * @param {{ mean: number, std: number } | null | undefined} whitening
 * @param {number} discount
 * @param {number} lam
 * @returns {TokenCredit[]}
 */
function tokenCredits(completion, whitening, discount, lam) {
  const { values, token_advantages: advantages, token_texts: pieces, token_rewards: rewards } = completion;
  const count = Math.min(values.length, advantages.length);
  /** @type {TokenCredit[]} */
  const credits = [];
  /** @type {Pick<TokenCredit, "value" | "estimate" | "came">} */
  let after = { value: 0, estimate: 0, came: 0 };
  for (let at = count - 1; at >= 0; at -= 1) {
    /** @type {TokenCredit} */
    const credit = { piece: (pieces && pieces[at]) ?? null, value: values[at], advantage: advantages[at] };
    if (isExplained(completion, whitening)) {
      if (rewards) {
        credit.reward = rewards[at];
        credit.delta = credit.reward + discount * after.value - credit.value;
        credit.estimate = credit.delta + discount * lam * after.estimate;
      } else {
        credit.estimate = credit.advantage * whitening.std + whitening.mean;
        credit.delta = credit.estimate - discount * lam * after.estimate;
        credit.reward = credit.delta - discount * after.value + credit.value;
      }
      credit.came = credit.reward + discount * after.came;
      after = credit;
    }
    credits.unshift(credit);
  }
  return credits;
}

const UNFINISHED = "◌";

// Blanks and control characters as signs, the name of a token that writes nothing, a sign for the beginning of a
// character.
function visibleToken(piece) {
  if (piece !== null && typeof piece === "object") return String(piece.special ?? "");
  if (piece === "") return UNFINISHED;
  return piece
    .replace(/ /g, "␣")
    .replace(/\n/g, "⏎")
    .replace(/[\u0000-\u001f]/g, (sign) => String.fromCharCode(0x2400 + sign.charCodeAt(0)));
}
