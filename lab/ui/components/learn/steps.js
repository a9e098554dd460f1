// The eight steps in their order: what builds each, where "now do it for real" leads, and how many minutes it takes.

/**
 * `real`: the tab that opens, and the preset that its form is filled with, if any.
 * @typedef {object} LearnStep
 * @property {string} key
 * @property {number} minutes
 * @property {{ tab: string, preset?: string }} real
 * @property {string[]} [pages]
 */

/** @type {LearnStep[]} */
const LEARN_STEPS = [
  { key: "reward", minutes: 1, real: { tab: "rules" } },
  { key: "sft", minutes: 1, real: { tab: "train", preset: "tiny/sft" } },
  { key: "preference", minutes: 2, real: { tab: "annotate" } },
  { key: "ppo", minutes: 3, real: { tab: "train", preset: "tiny/ppo" } },
  { key: "dpo", minutes: 2, real: { tab: "train", preset: "tiny/dpo" } },
  {
    key: "grpo",
    minutes: 7,
    real: { tab: "train", preset: "tiny/grpo" },
    pages: ["answers", "rewards", "threshold", "kept", "loss"],
  },
  { key: "cost", minutes: 1, real: { tab: "compare" } },
  { key: "hacking", minutes: 2, real: { tab: "train", preset: "tiny/grpo-hacked" } },
];

/** The page's node and what to do when it is opened, by step and page. @returns {Record<string, () => any>} */
function learnBuilders() {
  /** @type {LearnGroup | null} */
  let group = null;
  const shared = () => (group = group || new LearnGroup());
  return {
    reward: rewardStep,
    sft: sftStep,
    preference: preferenceStep,
    ppo: ppoStep,
    dpo: dpoStep,
    "grpo.answers": () => answersPage(shared()),
    "grpo.rewards": () => rewardsPage(shared()),
    "grpo.threshold": () => thresholdPage(shared()),
    "grpo.kept": () => keptPage(shared()),
    "grpo.loss": () => lossPage(shared()),
    cost: costStep,
    hacking: hackingStep,
  };
}
