import { GENESIS_HASH, isTerminalEvent } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import { isSeq, nameOf } from './field-values.ts';
import { HashList, isHash } from './hash-list.ts';
import { RunProducers } from './run-producers.ts';
import { addressOf } from './subject-check.ts';
import type { Address } from './subject-check.ts';

/** Contents of one number that are kept: whoever stores more shows nothing new by it (I7). */
const RIVALS_MAX = 100;

/** One content of one number. Of one that was let go: 16 hex of the hashes, and the place 0. */
export interface Content {
  readonly seq: number;
  readonly hash: string;
  readonly prevHash: string;
  /** The first place where these bytes are stored. */
  streamSeq: number;
}

/**
 * What is kept of one run while it is read: numbers and hashes, not events.
 *
 * An event that arrives in order and links to the one before is *settled*: its hash and its place are kept, about 100
 * bytes, 16 once it was let go. Its link stays good whatever comes later, so nothing that is found depends on the order of
 * arrival. The rest (out of order, rivals, behind a hole) waits as objects of about 400 bytes for the missing ones or for the
 * verdict.
 */
export class RunContents {
  readonly runId: string;
  readonly execution: string | undefined;
  /** The attempt at a step that the run as a whole is: one that was called as such, and not the orchestrator's own run. */
  readonly attempt: { readonly stepId: string; readonly epoch: number } | undefined;
  /** The lowest number of a terminal event. */
  terminalSeq: number | undefined;
  lastSeq = 0;
  events = 0;
  duplicates = 0;
  reordered = 0;
  /** Of the settled numbers 1, 2, 3, … */
  readonly #hashes = new HashList();
  /** Of those that were not let go. */
  #streamSeqs: number[] = [];
  #settledBefore = 0;
  /** Most runs never need one. */
  #waiting: Map<number, Content[]> | undefined;
  #head = GENESIS_HASH;
  readonly #producers = new RunProducers();
  #address: Address | undefined;

  /** @param event one of its events, whichever. */
  constructor(event: AuditEvent) {
    const { attempt_epoch: epoch } = event;
    const stepId = nameOf(event.step_id);
    this.runId = event.run_id;
    this.execution = nameOf(event.workflow_execution_id);
    if (event.invocation_caller !== undefined && stepId !== undefined && isSeq(epoch)) this.attempt = { stepId, epoch };
  }

  /** @returns whether it is new; `false` for a copy of bytes seen before. */
  add(event: AuditEvent, hash: string, streamSeq: number): boolean {
    const { seq, prev_hash: prevHash, producer } = event;
    if (this.#isNext(seq, prevHash) && this.#waiting?.has(seq) !== true) {
      this.#settle(hash, streamSeq);
      if (this.#waiting !== undefined) this.#settleWaiting(this.#waiting);
    } else if (this.#isCopy(seq, hash, streamSeq)) {
      this.duplicates += 1;
      return false;
    } else {
      this.#wait({ seq, hash, prevHash, streamSeq });
    }
    this.events += 1;
    this.#producers.note({ producer, seq, hash });
    if (seq < this.lastSeq) this.reordered += 1;
    else this.lastSeq = seq;
    if (endsRun(event)) this.terminalSeq = Math.min(seq, this.terminalSeq ?? seq);
    return true;
  }

  /** Whether this subject, of one of its events, says what the event says of itself. */
  belongsOn(subject: string, event: AuditEvent): boolean {
    const address = addressOf(event, subject, this.#address);
    if (address !== undefined) this.#address = address;
    return address !== undefined;
  }

  /** Who wrote in it, its owner first: a run belongs to the producer of its first event. One, in a sound run. */
  producers(): [owner: string, ...others: string[]] {
    return this.#producers.names();
  }

  /** The first event of one of its producers. */
  firstOf(producer: string): Content | undefined {
    const first = this.#producers.firstOf(producer);
    return first && this.contentsOf(first.seq).find(({ hash }) => isHash(first.hash, hash));
  }

  /** Numbers 1 to this one are here, and each links to the one before. */
  get settledSeq(): number {
    return this.#hashes.length;
  }

  /** All other numbers that are here, and settled ones that have a rival, ascending. */
  unsettledSeqs(): number[] {
    return this.#waiting === undefined ? [] : [...this.#waiting.keys()].sort((a, b) => a - b);
  }

  /** What is stored under one number, in stream order; more than one content is a conflict. */
  contentsOf(seq: number): Content[] {
    const waiting = this.#waiting?.get(seq) ?? [];
    const settled = this.#settledContent(seq);
    const contents = settled === undefined ? [...waiting] : [settled, ...waiting];
    return contents.sort((a, b) => a.streamSeq - b.streamSeq);
  }

  /** Whether these bytes are stored under this number. */
  has(seq: number, hash: string): boolean {
    return isHash(hash, this.#hashes.at(seq - 1)) || this.#waiting?.get(seq)?.some((one) => one.hash === hash) === true;
  }

  /** Every number up to the last one is here, once. */
  get isWhole(): boolean {
    return this.#waiting === undefined || this.#waiting.size === 0;
  }

  /** Where the first copy of these bytes is stored. */
  streamSeqOf(seq: number, hash: string): number {
    return this.contentsOf(seq).find((content) => content.hash === hash)?.streamSeq ?? 0;
  }

  /** How many numbers above this one are here. */
  countAfter(seq: number): number {
    const settled = Math.max(0, this.settledSeq - seq);
    return settled + this.unsettledSeqs().filter((other) => other > Math.max(seq, this.settledSeq)).length;
  }

  /**
   * Keeps of what is settled only what tells a copy from a rival, and the end of the chain: for runs that have ended. Nothing that
   * is found later is missed; a finding about a settled number then has no place of its first content.
   */
  letGo(): void {
    this.#hashes.letGo();
    this.#streamSeqs = [];
    this.#settledBefore = this.#hashes.length;
    this.#producers.letGo();
    this.#address = undefined;
  }

  #isNext(seq: number, prevHash: string): boolean {
    return seq === this.#hashes.length + 1 && prevHash === this.#head;
  }

  #settle(hash: string, streamSeq: number): void {
    this.#hashes.push(hash);
    this.#streamSeqs.push(streamSeq);
    this.#head = hash;
  }

  /** What came before its time settles now. Rivals never do: which of them is the true one is not known. */
  #settleWaiting(waiting: Map<number, Content[]>): void {
    for (;;) {
      const seq = this.#hashes.length + 1;
      const [next, rival] = waiting.get(seq) ?? [];
      if (next === undefined || rival !== undefined || !this.#isNext(seq, next.prevHash)) return;
      waiting.delete(seq);
      this.#settle(next.hash, next.streamSeq);
    }
  }

  #wait(content: Content): void {
    this.#waiting ??= new Map();
    const rivals = this.#waiting.get(content.seq);
    if (rivals === undefined) this.#waiting.set(content.seq, [content]);
    else if (rivals.length < RIVALS_MAX) rivals.push(content);
  }

  #isCopy(seq: number, hash: string, streamSeq: number): boolean {
    if (isHash(hash, this.#hashes.at(seq - 1))) {
      const index = seq - 1 - this.#settledBefore;
      const known = this.#streamSeqs[index];
      if (known !== undefined) this.#streamSeqs[index] = Math.min(known, streamSeq);
      return true;
    }
    const known = this.#waiting?.get(seq)?.find((content) => content.hash === hash);
    if (known === undefined) return false;
    known.streamSeq = Math.min(known.streamSeq, streamSeq);
    return true;
  }

  #settledContent(seq: number): Content | undefined {
    const hash = seq === this.settledSeq ? this.#head : this.#hashes.at(seq - 1);
    if (hash === undefined || seq < 1) return undefined;
    const streamSeq = this.#streamSeqs[seq - 1 - this.#settledBefore] ?? 0;
    return { seq, hash, prevHash: this.#hashes.at(seq - 2) ?? GENESIS_HASH, streamSeq };
  }
}

function endsRun(event: AuditEvent): boolean {
  // The only event of its run, about another one.
  if (event.event === 'run_abandoned') return true;
  if (event.event === 'audit_checkpoint') return event.fields?.['final'] === true;
  return isTerminalEvent(event.event);
}
