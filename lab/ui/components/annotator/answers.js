// What becomes of a judgement or an undo after it has left the page: stored, refused, or put into the outbox of another tab.

function arrived({ hand }, { path, body }, answer) {
  if (!hand) return;
  if (answer.progress && (!body.collection || body.collection === hand.collection) && !hand.away().length) hand.progress = answer.progress;
  if (path.endsWith("undo")) hand.named(body.id, answer.pair);
  const record = hand.history.find(({ id }) => id === body.id);
  if (record && answer.sources) record.sources = answer.sources;
  hand.keepSoon();
}

// The page says why. What was typed on a pair that waited for a refused undo stands there again if the pair comes again.
function refused(annotator, { body, awaits }) {
  const edits = body.edited ? { edits: { [body.choice]: body.edited } } : {};
  if (awaits) annotator.drafts.change(body.pair, { reason: body.reason, ...edits }, body.collection);
  if (!annotator.hand) return;
  annotator.hand.refused(body.id);
  annotator.hand.refill(true);
  annotator.show();
}

function judgedElsewhere({ hand }, { path, body }) {
  if (hand && path && !path.endsWith("undo") && body.collection === hand.collection) hand.judgedElsewhere(body.pair);
}
