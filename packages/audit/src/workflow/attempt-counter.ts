import { setTimeout as delay } from 'node:timers/promises';
import { SpanledgerError } from '@spanledger/protocol';
import type { AttemptKey, AttemptRecord, AttemptStore } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import { UnusableRecordError, checkRecord, checkRevision, newest } from './attempt-record.ts';
import { processAttempts } from './memory-attempt-store.ts';
import type { MemoryAttemptStore } from './memory-attempt-store.ts';
import { untraced } from '../untraced.ts';

/** Races that may be lost in a row before something must be wrong: about ten seconds. */
const TRIES_MAX = 200;
const PAUSE_MAX_MS = 100;

/** For how long a store that did not answer is not asked again, where this process may count alone. */
const UNASKED_MS = 5_000;

/** The attempt that is about to begin. */
interface NextAttempt {
  readonly epoch: number;
  /** Event id of the start of the attempt before, where somebody knows it. */
  readonly supersededStart: string | undefined;
}

/** The same, with a number that nobody else has. */
export interface Claim extends NextAttempt {
  /** Notes that the attempt has begun, for whoever supersedes it. Best effort: it neither throws nor waits. */
  started(eventId: string): void;
}

/** What is known of a step before its next attempt. */
export interface Known {
  /** The newest attempt that the asking run has seen. */
  readonly last: AttemptRecord | undefined;
  /** The number should not be below this: an attempt given by the application, or that of the step around. */
  readonly atLeast: number;
}

/**
 * Counts the attempts of steps: each is above all that were ever given, by this process or, with a store, by anybody who shares it.
 *
 * This process remembers as well, so that a store that has lost something, or is away, never takes the count back.
 */
export class AttemptCounter {
  readonly #store: AttemptStore | undefined;
  readonly #memory: MemoryAttemptStore;
  #unaskedUntilMs = 0;
  #isAway = false;

  constructor(store: AttemptStore | undefined, memory: MemoryAttemptStore = processAttempts()) {
    this.#store = store;
    this.#memory = memory;
  }

  /**
   * @returns at once where there is no store to ask.
   * @throws SpanledgerError `SPANLEDGER_ATTEMPTS` if the store is not available, and it does not say `onUnavailable: 'memory'`
   */
  claim(key: AttemptKey, known: Known): Claim | Promise<Claim> {
    const store = this.#store;
    if (store === undefined) return this.#claimAlone(key, known);
    return this.#claimFrom(store, key, known);
  }

  #claimAlone(key: AttemptKey, known: Known): Claim {
    const next = this.#reserve(key, this.#seen(key, known), known.atLeast);
    return { ...next, started: (eventId) => this.#remember(key, { epoch: next.epoch, startedEventId: eventId }) };
  }

  async #claimFrom(store: AttemptStore, key: AttemptKey, known: Known): Promise<Claim> {
    if (performance.now() < this.#unaskedUntilMs) return this.#claimAlone(key, known);
    try {
      const claim = await this.#race(store, key, known);
      this.#sayItIsBack(store);
      return claim;
    } catch (cause) {
      if (store.onUnavailable !== 'memory') throw unavailable(store, key, cause);
      if (cause instanceof UnusableRecordError) sayItIsUnusable(store, key, cause);
      else this.#sayItIsAway(store, cause);
      return this.#claimAlone(key, known);
    }
  }

  /** Until this attempt is the one that the store takes next. */
  async #race(store: AttemptStore, key: AttemptKey, known: Known): Promise<Claim> {
    let reserved: number | undefined;
    let seen: AttemptRecord | undefined;
    for (let tries = 1; tries <= TRIES_MAX; tries += 1) {
      const stored = await this.#untracedly(() => store.read(key));
      // A number that was reserved here and lost its race is free, unless somebody in this process has counted on from it.
      if (reserved === undefined || this.#memory.read(key).record?.epoch !== reserved) seen = this.#seen(key, known);
      checkRevision(stored.revision);
      const next = this.#reserve(key, newest(seen, checkRecord(stored)), known.atLeast);
      reserved = next.epoch;
      const revision = await this.#untracedly(() => store.write(key, { epoch: next.epoch }, stored.revision));
      checkRevision(revision);
      if (revision !== undefined) {
        const note = (startedEventId: string): void =>
          this.#note(store, key, { epoch: next.epoch, startedEventId }, revision);
        return { ...next, started: note };
      }
      await delay(Math.random() * Math.min(PAUSE_MAX_MS, tries * 2));
    }
    throw new Error(`the race for the next attempt was lost ${TRIES_MAX} times`);
  }

  #seen(key: AttemptKey, { last }: Known): AttemptRecord | undefined {
    return newest(last, this.#memory.read(key).record);
  }

  /**
   * One above everything that is known. The memory has it from here on, before any store has: nobody in this process is given
   * it again, whatever the store answers.
   */
  #reserve(key: AttemptKey, last: AttemptRecord | undefined, atLeast: number): NextAttempt {
    const next = nextAttempt({ last, atLeast });
    this.#remember(key, { epoch: next.epoch });
    return next;
  }

  #remember(key: AttemptKey, record: AttemptRecord): void {
    const { record: known, revision } = this.#memory.read(key);
    if (newest(known, record) === record) this.#memory.write(key, record, revision);
  }

  #note(store: AttemptStore, key: AttemptKey, record: AttemptRecord, revision: number): void {
    this.#remember(key, record);
    // Lost, if the next attempt has been given already: then nobody needs it.
    this.#untracedly(() => store.write(key, record, revision)).catch((error: unknown) =>
      log.debug(`the start of step ${key.stepId} was not noted in the store of attempts:`, error),
    );
  }

  async #untracedly<T>(ask: () => T | Promise<T>): Promise<T> {
    return untraced(ask);
  }

  #sayItIsAway({ name }: AttemptStore, cause: unknown): void {
    this.#unaskedUntilMs = performance.now() + UNASKED_MS;
    if (!this.#isAway)
      log.warn(`attempts are counted in this process alone, as long as ${name} is not available:`, cause);
    this.#isAway = true;
  }

  #sayItIsBack({ name }: AttemptStore): void {
    if (this.#isAway) log.warn(`attempts are counted in ${name} again`);
    this.#isAway = false;
  }
}

const counters = new WeakMap<AttemptStore, AttemptCounter>();
let alone: AttemptCounter | undefined;

/** The one counter of this store; of this process alone, where there is none. */
export function attemptCounter(store: AttemptStore | undefined): AttemptCounter {
  if (store === undefined) return (alone ??= new AttemptCounter(undefined));
  const known = counters.get(store);
  if (known !== undefined) return known;
  const counter = new AttemptCounter(store);
  counters.set(store, counter);
  return counter;
}

/** For a run of no execution: nobody else can have an attempt of its steps. */
export function claimInRun(known: Known): Claim {
  return { ...nextAttempt(known), started: () => {} };
}

/** @throws SpanledgerError `SPANLEDGER_ATTEMPTS` after attempt 2^53 - 1, which only a forged record can reach */
function nextAttempt({ last, atLeast }: Known): NextAttempt {
  const epoch = Math.max(atLeast, (last?.epoch ?? 0) + 1);
  if (Number.isSafeInteger(epoch)) return { epoch, supersededStart: last?.startedEventId };
  throw new SpanledgerError('SPANLEDGER_ATTEMPTS', 'the step has no attempt numbers left');
}

/** That is no reason to count other steps alone. */
function sayItIsUnusable({ name }: AttemptStore, { stepId }: AttemptKey, { message }: Error): void {
  log.warn(`an attempt of step ${stepId} is counted in this process alone, because of ${name}: ${message}`);
}

function unavailable({ name }: AttemptStore, { stepId }: AttemptKey, cause: unknown): SpanledgerError {
  if (cause instanceof SpanledgerError && cause.code === 'SPANLEDGER_ATTEMPTS') return cause;
  const reason = cause instanceof Error ? cause.message : String(cause);
  const message = `step ${stepId} was not begun, because its attempts cannot be counted in ${name}: ${reason}`;
  return new SpanledgerError('SPANLEDGER_ATTEMPTS', message, { cause });
}
