import { createHash } from 'node:crypto';

interface HandMadeEvent {
  readonly event: string;
  readonly fields?: object;
}

/** The events of a run, written by hand: neither our sealing nor our reading is in them. */
export function handMade(runId: string, events: readonly (string | HandMadeEvent)[], producer = 'p'): Buffer[] {
  let head = '0'.repeat(64);
  return events.map((item, index) => {
    const event = typeof item === 'string' ? { event: item } : item;
    const line = Buffer.from(JSON.stringify({ ...event, producer, run_id: runId, seq: index + 1, prev_hash: head }));
    head = hashOf(line);
    return line;
  });
}

export function hashOf(line: Buffer): string {
  return createHash('sha256').update(line).digest('hex');
}
