import type { Facts } from './facts.ts';
import { intentOf, refused, said } from './intent.ts';
import type { NotificationState, RememberedNotification } from './notification-state.ts';
import type { Notifier } from './notifier.ts';
import { notificationId } from './render.ts';
import type { LinkTemplates, NotificationKey } from './render.ts';
import { isRefused, pauseAfter, send } from './send.ts';

/** A message could not be delivered, or what was delivered could not be remembered. */
export interface NotificationFailure {
  /** `''` where it is about no single one. */
  readonly id: string;
  readonly error: unknown;
  /** When it is tried again; `undefined` if it is not: it was refused. */
  readonly retryInMs: number | undefined;
}

export interface OutboxOptions {
  readonly notifier: Notifier;
  readonly state: NotificationState;
  readonly links: LinkTemplates;
  readonly timeoutMs: number;
  readonly onFailure: (failure: NotificationFailure) => void;
}

/** A message that is to become another one. Only its newest state counts: what was in between is never said. */
interface Pending {
  facts: Facts;
  readonly key: NotificationKey;
  /** What was read up to when it changed first, and last, and nobody had been told. */
  sinceSeq: number;
  lastSeq: number;
  tries: number;
  dueMs: number;
}

/**
 * Says what is wanted, one call at a time, in the order in which it came to be wanted.
 *
 * I1 of this file: before anything is sent, what and under which version is remembered, so that whoever starts again sends the very
 * same under the same idempotency key. I2: a post of which the outcome is not known is repeated as it was before anything else is
 * said of that step; an edit may be overtaken by a newer one, under a higher version.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #remembered = new Map<string, RememberedNotification>();
  readonly #pending = new Map<string, Pending>();
  readonly #stop = new AbortController();
  #readSeq = 0;
  #wake: () => void = () => {};
  #running: Promise<void> | undefined;

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** How many messages are not what they should be. */
  get unsaid(): number {
    return this.#pending.size;
  }

  /** What was said before a restart; what is not known to have arrived counts as wanted from this stream sequence on. */
  restore(id: string, remembered: RememberedNotification, streamSeq: number): void {
    this.#remembered.set(id, remembered);
    if (remembered.sending !== undefined) this.want(remembered.key, remembered.facts, streamSeq);
  }

  want(key: NotificationKey, facts: Facts, streamSeq: number): void {
    const id = notificationId(key);
    const known = this.#pending.get(id);
    if (known === undefined) {
      this.#pending.set(id, { key, facts, sinceSeq: streamSeq, lastSeq: streamSeq, tries: 0, dueMs: 0 });
    } else {
      Object.assign(known, { facts, lastSeq: streamSeq, sinceSeq: Math.min(known.sinceSeq, streamSeq) });
    }
    this.#wake();
    this.#running ??= this.#run();
  }

  /** The source was read up to here. */
  read(streamSeq: number): void {
    this.#readSeq = Math.max(this.#readSeq, streamSeq);
  }

  /** @returns the stream sequence up to which everything has been said. */
  saidTo(): number {
    let seq = this.#readSeq;
    for (const { sinceSeq } of this.#pending.values()) seq = Math.min(seq, sinceSeq - 1);
    return Math.max(0, seq);
  }

  /** Remembers how far it has come. Best effort: losing it costs reading again. */
  async checkpoint(): Promise<void> {
    try {
      await this.#options.state.reach(this.saidTo());
    } catch (error) {
      this.#report({ id: '', error, retryInMs: undefined });
    }
  }

  async forget(keys: readonly NotificationKey[]): Promise<void> {
    const ids = keys.map(notificationId);
    for (const id of ids) {
      this.#pending.delete(id);
      this.#remembered.delete(id);
    }
    await Promise.resolve(this.#options.state.forget(ids)).catch((error: unknown) => {
      this.#report({ id: '', error, retryInMs: undefined });
    });
  }

  /** Waits until everything is said, at most so long; then it says nothing more. */
  async close(drainMs: number): Promise<void> {
    const timer = setTimeout(() => this.#stop.abort(), drainMs);
    this.#stop.signal.addEventListener('abort', () => this.#wake(), { once: true });
    await this.#running;
    clearTimeout(timer);
    this.#stop.abort();
    await this.checkpoint();
  }

  async #run(): Promise<void> {
    // Another turn: what is read in this one is said at once.
    await Promise.resolve();
    while (this.#pending.size > 0 && !this.#stop.signal.aborted) {
      const next = this.#nextDue();
      if (typeof next === 'number') await this.#sleep(next);
      else await this.#say(...next);
    }
    // In the turn in which nothing was left: what is wanted from here on begins anew.
    this.#running = undefined;
  }

  /** @returns the one that is due; if none is, in how many milliseconds one will be. */
  #nextDue(): [string, Pending] | number {
    const nowMs = performance.now();
    let waitMs = Infinity;
    for (const entry of this.#pending) {
      const inMs = entry[1].dueMs - nowMs;
      if (inMs <= 0) return entry;
      waitMs = Math.min(waitMs, inMs);
    }
    return waitMs;
  }

  async #sleep(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = () => {};
  }

  async #say(id: string, pending: Pending): Promise<void> {
    const { facts, lastSeq } = pending;
    const before = this.#remembered.get(id);
    try {
      const intent = intentOf(before, pending, this.#options);
      if (intent !== before) await this.#remember(id, intent);
      if (intent.sending === undefined) return this.#done(id, pending, lastSeq, facts);
      const { timeoutMs, notifier } = this.#options;
      const reference = await send(notifier, id, intent, { timeoutMs, signal: this.#stop.signal });
      await this.#remember(id, said(intent, reference, notifier));
      pending.tries = 0;
      this.#done(id, pending, lastSeq, intent.facts);
    } catch (error) {
      await this.#failed(id, pending, error);
    }
  }

  async #remember(id: string, remembered: RememberedNotification): Promise<void> {
    await this.#options.state.set(id, remembered, this.saidTo());
    if (this.#pending.has(id)) this.#remembered.set(id, remembered);
    else await this.#options.state.forget([id]); // It was forgotten meanwhile.
  }

  /** Unless it has changed again. */
  #done(id: string, pending: Pending, saidSeq: number, facts: Facts): void {
    if (this.#pending.get(id) !== pending) return;
    if (pending.facts === facts) this.#pending.delete(id);
    else if (pending.lastSeq > saidSeq) pending.sinceSeq = Math.max(pending.sinceSeq, saidSeq + 1);
  }

  async #failed(id: string, pending: Pending, error: unknown): Promise<void> {
    if (this.#stop.signal.aborted) return;
    pending.tries += 1;
    const isFinal = isRefused(error);
    const retryInMs = isFinal ? undefined : pauseAfter(error, pending.tries);
    this.#report({ id, error, retryInMs });
    pending.dueMs = performance.now() + (retryInMs ?? 0);
    if (isFinal) await this.#drop(id, pending);
  }

  #report(failure: NotificationFailure): void {
    try {
      this.#options.onFailure(failure);
    } catch {
      // Whoever is told of failures does not add to them.
    }
  }

  /** It will never be taken: as if it were said, until there is something else to say. */
  async #drop(id: string, pending: Pending): Promise<void> {
    const intent = this.#remembered.get(id);
    if (intent?.sending === undefined) return void this.#pending.delete(id);
    const dropped = refused(intent, this.#options.notifier);
    this.#remembered.set(id, dropped);
    this.#done(id, pending, intent.streamSeq, intent.facts);
    await Promise.resolve(this.#options.state.set(id, dropped, this.saidTo())).catch(() => {});
  }
}
