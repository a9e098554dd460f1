// What was said: turns, each a question and what every model answered to it. It is kept in the browser, and knows
// neither page nor server.

const TALK_KEPT = "lab-play.conversation";
const MOST_KEPT_TURNS = 60;

/**
 * @typedef {object} Sample
 * @property {string} text
 * @property {"writing" | "done" | "cut" | "stopped"} state
 * @property {number} [tokens]
 * @property {number} [seconds]
 * @property {number} [first_seconds]
 * @property {number} [reward]
 * @property {Record<string, Score>} [scores]
 */

/**
 * @typedef {object} LaneAnswer
 * @property {string} model
 * @property {Turn[]} turns what the model was asked
 * @property {Sample[]} samples
 * @property {number} chosen the sample that the conversation goes on from
 * @property {Reason | null} error
 * @property {Reason | null} scoreError
 */

/**
 * @typedef {object} TalkTurn
 * @property {string} id
 * @property {string} question
 * @property {LaneAnswer[]} lanes
 * @property {boolean} over
 */

class Conversation {
  /** @type {TalkTurn[]} */ turns;

  constructor() {
    const kept = readKept(sessionStorage, TALK_KEPT, { system: "", turns: [] });
    this.system = typeof kept.system === "string" ? kept.system : "";
    this.turns = Array.isArray(kept.turns) ? kept.turns : [];
  }

  keep() {
    writeKept(sessionStorage, TALK_KEPT, { system: this.system, turns: this.turns.slice(-MOST_KEPT_TURNS) });
  }

  clear() {
    this.turns = [];
    this.keep();
  }

  // Everything from a turn on never was.
  cutAt(id) {
    const place = this.turns.findIndex((turn) => turn.id === id);
    if (place >= 0) this.turns = this.turns.slice(0, place);
    this.keep();
  }

  // A new turn at the end, with what each model is asked: its own answers so far, or the first model's where it had
  // none.
  /**
   * @param {string} question
   * @param {string[]} models
   * @param {number} samples
   * @returns {TalkTurn}
   */
  add(question, models, samples) {
    const lanes = models.map((model, lane) => ({
      model,
      turns: this.asked(lane, question),
      samples: Array.from({ length: samples }, () => /** @type {Sample} */ ({ text: "", state: "writing" })),
      chosen: 0,
      error: null,
      scoreError: null,
    }));
    const turn = { id: newAskId(), question, lanes, over: false };
    this.turns.push(turn);
    this.keep();
    return turn;
  }

  /**
   * @param {number} lane
   * @param {string} question
   * @returns {Turn[]}
   */
  asked(lane, question) {
    const messages = this.system.trim() ? [{ role: "system", content: this.system }] : [];
    for (const turn of this.turns) {
      const answered = turn.lanes[lane] || turn.lanes[0];
      const sample = answered && !answered.error && answered.samples[answered.chosen];
      if (!sample || !sample.text) continue; // an answer that failed leaves no question without one
      messages.push({ role: "user", content: turn.question }, { role: "assistant", content: sample.text });
    }
    return [...messages, { role: "user", content: question }];
  }

  /** The turn that is still being answered, if any. */
  get open() {
    return this.turns.find((turn) => !turn.over) || null;
  }

  // Takes one line of the worker's; the turn that it changes, or null where it is none of this conversation.
  take(line) {
    const turn = this.turns.find(({ id }) => id === line.turn);
    if (!turn || turn.over) return null;
    const lane = turn.lanes[line.lane];
    if (line.ended) this.end(turn);
    else if (!lane) return null;
    else if (line.deltas) for (const [sample, text] of line.deltas) lane.samples[sample].text += text;
    else if (line.done) {
      const { truncated, stopped, ...facts } = line.done;
      Object.assign(lane.samples[line.sample], facts, { state: stopped ? "stopped" : truncated ? "cut" : "done" });
    } else if (line.scores) line.scores.forEach((score, sample) => Object.assign(lane.samples[sample], score));
    else if (line.error) lane.error = line.error;
    else if (line.score_error) lane.scoreError = line.score_error;
    return turn;
  }

  end(turn) {
    turn.over = true;
    for (const lane of turn.lanes)
      for (const sample of lane.samples) if (sample.state === "writing") sample.state = "stopped";
    this.keep();
  }

  // Before the worker's lines are read from the start again: what was half written comes once more.
  forgetHalf() {
    if (this.open) for (const lane of this.open.lanes) for (const sample of lane.samples) sample.text = "";
  }
}

function newAskId() {
  return "q" + Date.now().toString(36) + Math.floor(Math.random() * 1e6).toString(36);
}
