import { SpanledgerError } from '@spanledger/protocol';
import type { ErrorCode } from '@spanledger/protocol';

/** I7: how many different alarms are remembered as raised. */
const RAISED_MAX = 100;

/** Tells the same thing once, until there was reason to believe that it is over. */
export class Alarms {
  readonly #onAlarm: (error: SpanledgerError) => void;
  readonly #raised = new Map<string, SpanledgerError>();

  constructor(onAlarm: (error: SpanledgerError) => void) {
    this.#onAlarm = onAlarm;
  }

  /** @returns what was told, now or earlier. */
  raise(code: ErrorCode, message: string): SpanledgerError {
    const earlier = this.#raised.get(message);
    if (earlier) return earlier;
    if (this.#raised.size >= RAISED_MAX) this.#raised.clear();
    const error = new SpanledgerError(code, message);
    this.#raised.set(message, error);
    try {
      this.#onAlarm(error);
    } catch {
      // I5: it runs inside the connection's reader, which a throw would end.
    }
    return error;
  }

  reset(): void {
    this.#raised.clear();
  }
}
