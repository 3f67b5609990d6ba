import { createHash } from 'node:crypto';

/** An event as the journal sees one, the same for the same arguments: `padding` bytes are added to its JSON. */
export function sealedEvent(runId, seq, padding) {
  const bytes = new TextEncoder().encode(JSON.stringify({ seq, run_id: runId, pad: 'x'.repeat(padding) }));
  const hash = createHash('sha256').update(bytes).digest('hex');
  return { runId, seq, bytes, hash, subject: `auditEvent.-.-.faults` };
}

/** Whole number from 0, below `max`. */
export function below(random, max) {
  return Math.floor(random() * max);
}
