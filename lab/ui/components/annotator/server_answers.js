// What becomes of a judgement or an undo after it has left the page: stored, refused, or put into the outbox of another
// tab.

function arrived({ queue }, { path, body }, answer) {
  if (!queue) return;
  if (answer.progress && (!body.collection || body.collection === queue.collection) && !queue.away().length)
    queue.progress = answer.progress;
  if (path.endsWith("undo")) queue.named(body.id, answer.pair);
  const record = queue.history.find(({ id }) => id === body.id);
  if (record && answer.sources) record.sources = answer.sources;
  queue.keepSoon();
}

// The page says why. What was typed on a pair that waited for a refused undo stands there again if the pair comes
// again.
function refused(annotator, { body, awaits }) {
  const edits = body.edited ? { edits: { [body.choice]: body.edited } } : {};
  if (awaits) annotator.drafts.change(body.pair, { reason: body.reason, ...edits }, body.collection);
  if (!annotator.queue) return;
  annotator.queue.refused(body.id);
  annotator.queue.refill(true);
  annotator.show();
}

function judgedElsewhere({ queue }, { path, body }) {
  if (queue && path && !path.endsWith("undo") && body.collection === queue.collection) queue.judgedElsewhere(body.pair);
}
