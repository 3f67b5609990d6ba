/** How often it looks within one publish timeout. */
const TICKS_PER_TIMEOUT = 4;
/** A permission that is given by reloading the server's configuration comes without a reconnect. In publish timeouts. */
const PARKED_RETRY_TIMEOUTS = 12;

/** What the watchdog looks at, and whom it tells. */
export interface Watched {
  /** Token of the oldest event that ought to be answered; -1 if there is none. */
  oldest(): number;
  /** That event has been the oldest for a whole timeout. */
  onLate(): void;
  readonly parked: number;
  /** Events have been parked for a while. */
  onParkedLong(): void;
}

/** P4: one timer for everything that takes too long. */
export class PublishWatchdog {
  readonly #watched: Watched;
  readonly #timer: NodeJS.Timeout;
  #token = -1;
  #ticks = 0;
  #parkedTicks = 0;

  constructor(timeoutMs: number, watched: Watched) {
    this.#watched = watched;
    this.#timer = setInterval(() => this.#tick(), Math.max(1, timeoutMs / TICKS_PER_TIMEOUT)).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    const token = this.#watched.oldest();
    this.#ticks = token === this.#token ? this.#ticks + 1 : 0;
    this.#token = token;
    if (token >= 0 && this.#ticks >= TICKS_PER_TIMEOUT) {
      this.#ticks = 0;
      this.#watched.onLate();
    }
    this.#parkedTicks = this.#watched.parked > 0 ? this.#parkedTicks + 1 : 0;
    if (this.#parkedTicks >= PARKED_RETRY_TIMEOUTS * TICKS_PER_TIMEOUT) {
      this.#parkedTicks = 0;
      this.#watched.onParkedLong();
    }
  }
}
