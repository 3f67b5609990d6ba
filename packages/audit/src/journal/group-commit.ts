import { SpanledgerError } from '@spanledger/protocol';

/** How long a frame waits for others when nobody waits for it. */
const GATHER_MS = 10;
/** After the second failure in a row. */
const RETRY_MS = 1_000;

/** One may be needed to write again what the sync before it left. */
const ATTEMPTS_AT_CLOSE = 3;

interface Waiter {
  readonly position: number;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * Syncs what was written, one sync at a time: what is written meanwhile waits for the next one, all of it together.
 *
 * A sync begins in this turn of the event loop if somebody waits for it, else within 10 ms, and the timer keeps no
 * process alive for which nobody waits. When two syncs in a row have failed, those who wait are told, and it is tried again after a second.
 */
export class GroupCommit {
  #written = 0;
  #durable = 0;
  #failures = 0;
  #waiting: Waiter[] = [];
  #running: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  readonly #sync: (upTo: number) => Promise<void>;

  /** @param sync makes everything up to this position durable, or rejects. */
  constructor(sync: (upTo: number) => Promise<void>) {
    this.#sync = sync;
  }

  /** Everything up to here is on the disk. */
  get durable(): number {
    return this.#durable;
  }

  wrote(position: number): void {
    this.#written = position;
    if (this.#running === undefined) this.#timer ??= setTimeout(this.#start, GATHER_MS).unref();
  }

  async whenDurable(position: number): Promise<void> {
    if (position <= this.#durable) return;
    if (position > this.#written) throw new SpanledgerError('SPANLEDGER_JOURNAL', `nothing was written at ${position}`);
    if (this.#closed) throw notSynced(undefined);
    const durable = new Promise<void>((resolve, reject) => this.#waiting.push({ position, resolve, reject }));
    if (this.#failures < 2) this.#start();
    else this.#timer?.ref();
    await durable;
  }

  /** Syncs the rest. @returns whether everything written is on the disk. */
  async close(): Promise<boolean> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
    for (let i = 0; i < ATTEMPTS_AT_CLOSE && this.#durable < this.#written; i += 1) await this.#syncOnce();
    clearTimeout(this.#timer);
    this.#reject(undefined);
    return this.#durable >= this.#written;
  }

  readonly #start = (): void => {
    this.#running ??= this.#run();
  };

  async #run(): Promise<void> {
    // Everything that is written in this turn goes into one sync.
    await new Promise((resolve) => setImmediate(resolve));
    clearTimeout(this.#timer);
    this.#timer = undefined;
    do await this.#syncOnce();
    while (!this.#closed && this.#failures < 2 && this.#waiting.length > 0);
    this.#running = undefined;
    if (this.#closed || this.#durable >= this.#written) return;
    this.#timer ??= setTimeout(this.#start, this.#failures < 2 ? GATHER_MS : RETRY_MS);
    if (this.#waiting.length === 0) this.#timer.unref();
  }

  async #syncOnce(): Promise<void> {
    const upTo = this.#written;
    try {
      await this.#sync(upTo);
      this.#failures = 0;
      this.#durable = upTo;
      for (const { position, resolve } of this.#waiting) if (position <= upTo) resolve();
      this.#waiting = this.#waiting.filter(({ position }) => position > upTo);
    } catch (error) {
      this.#failures += 1;
      if (this.#failures >= 2) this.#reject(error);
    }
  }

  #reject(cause: unknown): void {
    for (const { reject } of this.#waiting.splice(0)) reject(notSynced(cause));
  }
}

function notSynced(cause: unknown): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_JOURNAL', 'the journal could not be synced to disk', { cause });
}
