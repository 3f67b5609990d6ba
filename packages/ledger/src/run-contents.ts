import { GENESIS_HASH, isTerminalEvent } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';

/** One content of one number. */
export interface Content {
  readonly seq: number;
  readonly hash: string;
  readonly prevHash: string;
  /** The first place where these bytes are stored. */
  streamSeq: number;
  /** Another content of the same number: a conflict. */
  rival: Content | undefined;
}

/**
 * What is kept of one run while it is read: for each event its number and two hashes, about 350 bytes, and not the event.
 * Nothing is judged here, so the order of arrival cannot matter.
 */
export class RunContents {
  readonly runId: string;
  readonly producers = new Set<string>();
  readonly bySeq = new Map<number, Content>();
  /** The lowest number of a terminal event. */
  terminalSeq: number | undefined;
  lastSeq = 0;
  events = 0;
  duplicates = 0;
  reordered = 0;
  #lastHash = GENESIS_HASH;

  constructor(runId: string) {
    this.runId = runId;
  }

  /** @returns what was added, or `undefined` for a copy of bytes seen before. */
  add(event: AuditEvent, hash: string, streamSeq: number): Content | undefined {
    const { seq } = event;
    const first = this.bySeq.get(seq);
    for (let known = first; known !== undefined; known = known.rival) {
      if (known.hash !== hash) continue;
      known.streamSeq = Math.min(known.streamSeq, streamSeq);
      this.duplicates += 1;
      return undefined;
    }
    const content: Content = { seq, hash, prevHash: this.#share(event.prev_hash), streamSeq, rival: first };
    this.#lastHash = hash;
    this.bySeq.set(seq, content);
    this.events += 1;
    this.producers.add(event.producer);
    if (seq < this.lastSeq) this.reordered += 1;
    else this.lastSeq = seq;
    if (endsRun(event)) this.terminalSeq = Math.min(seq, this.terminalSeq ?? seq);
    return content;
  }

  /** In order, a link is the hash before it: keeping one text for both halves what is kept. */
  #share(prevHash: string): string {
    return prevHash === this.#lastHash ? this.#lastHash : prevHash;
  }

  /** One content of each number (its rivals hang on it), by number. */
  inOrder(): Content[] {
    return [...this.bySeq.values()].sort((a, b) => a.seq - b.seq);
  }
}

function endsRun(event: AuditEvent): boolean {
  if (event.event === 'audit_checkpoint') return event.fields?.['final'] === true;
  return isTerminalEvent(event.event);
}
