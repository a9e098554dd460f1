// The shapes that the components share with the lab's routes, for the type checker alone; the formats stand in
// docs/architecture.md.

/**
 * One row of the index of a run's groups. `prompt` is a place in the list of prompts; `kept` of `size` completions train.
 */
interface GroupRow {
  step: number;
  group: number;
  prompt: number;
  mean: number;
  std: number;
  kept: number;
  size: number;
}

/** As the server lists it: step, group, prompt, mean, std, kept, size. */
type ListedGroupRow = [number, number, number, number, number, number, number];

type Score = number | null | { error: string };
type DropReason = "below_mean" | "not_in_top" | "no_spread" | "unscored";

interface Threshold {
  kind: "all" | "above_mean" | "top_fraction";
  fraction?: number;
}

/** A token's own text; `special` where it writes nothing; null where it was not kept. */
type TokenText = string | { special?: string } | null;

interface Completion {
  text: string;
  tokens: number;
  truncated: boolean;
  scores: Record<string, Score>;
  reward: number | null;
  advantage: number | null;
  kept: boolean;
  why_dropped: DropReason | null;
  logp: number | null;
  ref_logp: number | null;
  values?: number[];
  token_advantages?: number[];
  side?: "chosen" | "rejected";
  token_rewards?: number[];
  token_texts?: TokenText[];
}

/** One line of groups.jsonl. */
interface GroupLine {
  step: number;
  group: number;
  prompt: string;
  answer: string | null;
  mean: number;
  std: number;
  threshold: Threshold;
  completions: Completion[];
  whitening?: { mean: number; std: number };
  /** Of a pair of preferences: the difference of the implicit rewards. */
  margin?: number;
  /** Lines of tokens.jsonl, once they were asked for. */
  tokens?: any[];
  settled?: boolean;
}

interface TokenCredit {
  piece: TokenText;
  value: number;
  advantage: number;
  estimate?: number;
  delta?: number;
  reward?: number;
  came?: number;
}

/** A sentence of the server's: words are found by the key, its holes filled with the parameters. */
interface Reason {
  key: string;
  params?: Record<string, unknown>;
}

interface RunSummary {
  id: string;
  name: string;
  algorithm: string;
  state: string;
  step?: number;
  steps?: number;
  has_groups?: boolean;
  recipe?: any;
  [more: string]: any;
}

type Side = "a" | "b";
type Choice = Side | "tie" | "both_bad" | "skip";

interface Turn {
  role: string;
  content: string;
}

/** A pair as it is shown. `shown` is the id of this showing; `awaits` the undo whose answer will name another one. */
interface ShownPair {
  pair: string;
  shown: string;
  prompt: string | Turn[];
  a: string;
  b: string;
  awaits?: string | null;
  again?: boolean;
  revealed?: boolean;
}

interface JudgedRecord {
  id: string;
  choice: Choice;
  reason: string;
  edited: string | null;
  pair: ShownPair;
  sources?: { a: string | null; b: string | null };
  revealed?: boolean;
}

interface Progress {
  judged: number;
  left: number;
  total: number;
  per_hour?: number | null;
}

interface CollectionSettings {
  reason?: boolean;
  strength?: boolean;
}

/** A judgement or an undo on its way. `unkept`: the browser had no room for it. */
interface OutboxEntry {
  name: string;
  path: string;
  body: any;
  awaits: string | null;
  unkept?: boolean;
}

interface Pin {
  prompt: string;
  completion: string;
  answer: string;
  expected: number;
}

/** A rule on the bench; `source` is null where it is a ready-made one. */
interface BenchRule {
  name: string;
  source: string | null;
  description: string;
  weight: number;
  fallback: number;
  low: number;
  high: number;
  pins: Pin[];
}

interface BenchGroup {
  prompt: string;
  answer: string;
  completions: { text: string }[];
}

interface BenchDraft {
  name: string;
  set: { name: string; version: number; text: string } | null;
  rules: BenchRule[];
  chosen: number;
  groups: BenchGroup[];
  fraction: number;
  source: { kind: string; [more: string]: any };
}
