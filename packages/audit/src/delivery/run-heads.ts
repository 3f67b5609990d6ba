import type { SealedEvent } from '@spanledger/protocol';

/** Runs whose heads are waiting to be named. */
const HEADS_MAX = 10_000;

/** How far a run has come, in the sink. */
export interface RunHead {
  readonly runId: string;
  seq: number;
  /** SHA-256 hex of that event's bytes. */
  hash: string;
}

/** An event on its way. */
export interface SentEvent extends RunHead {
  settled: boolean;
  stored: boolean;
  before: SentEvent | undefined;
  next: SentEvent | undefined;
}

/** The events of one run from the first that is on its way, oldest first; settled neighbours are one. */
interface RunTail {
  oldest: SentEvent;
  newest: SentEvent;
}

/**
 * Up to where each run is in the sink *without a hole*: what may be named in a checkpoint. An event counts only once every
 * earlier one of its run has its outcome, in whatever order those come. One that the sink gave up on, and that is tried again,
 * has none.
 *
 * I7: tails are bounded by what is in flight and what failed, heads by `HEADS_MAX`; the heads that changed first make room, unnamed.
 */
export class RunHeads {
  readonly #tails = new Map<string, RunTail>();
  readonly #heads = new Map<string, RunHead>();

  /** How many runs have come further since they were taken last. */
  get size(): number {
    return this.#heads.size;
  }

  sent({ runId, seq, hash }: SealedEvent): SentEvent {
    const tail = this.#tails.get(runId);
    const before = tail?.newest;
    const sent: SentEvent = { runId, seq, hash, settled: false, stored: false, before, next: undefined };
    if (tail === undefined) this.#tails.set(runId, { oldest: sent, newest: sent });
    else tail.newest = tail.newest.next = sent;
    return sent;
  }

  settled(sent: SentEvent, stored: boolean): void {
    sent.settled = true;
    sent.stored = stored;
    const tail = this.#tails.get(sent.runId);
    if (tail === undefined) return;
    if (tail.oldest !== sent) return joinSettled(tail, sent);
    let oldest: SentEvent | undefined = sent;
    for (; oldest?.settled; oldest = oldest.next) if (oldest.stored) this.#advance(oldest);
    if (oldest === undefined) this.#tails.delete(sent.runId);
    else {
      tail.oldest = oldest;
      oldest.before = undefined;
    }
  }

  of(runId: string): RunHead | undefined {
    return this.#heads.get(runId);
  }

  /** Takes the heads of up to `max` runs, those first that changed first. */
  take(max: number): RunHead[] {
    const taken: RunHead[] = [];
    for (const head of this.#heads.values()) {
      if (taken.length === max) break;
      taken.push(head);
    }
    for (const { runId } of taken) this.#heads.delete(runId);
    return taken;
  }

  /** Puts back what could not be named, unless the run has come further since. */
  putBack(heads: readonly RunHead[]): void {
    for (const head of heads) this.#advance(head);
  }

  #advance(head: RunHead): void {
    const { runId, seq, hash } = head;
    const known = this.#heads.get(runId);
    if (known === undefined) {
      if (this.#heads.size >= HEADS_MAX) this.take(1);
      this.#heads.set(runId, { runId, seq, hash });
    } else if (known.seq < seq) {
      known.seq = seq;
      known.hash = hash;
    }
  }
}

/** An event that nobody will ask for again need not be remembered beside one like it. */
function joinSettled(tail: RunTail, sent: SentEvent): void {
  absorbNext(tail, sent);
  if (sent.before?.settled) absorbNext(tail, sent.before);
}

function absorbNext(tail: RunTail, sent: SentEvent): void {
  const { next } = sent;
  if (!next?.settled) return;
  if (next.stored) Object.assign(sent, { seq: next.seq, hash: next.hash, stored: true });
  sent.next = next.next;
  if (sent.next === undefined) tail.newest = sent;
  else sent.next.before = sent;
}
