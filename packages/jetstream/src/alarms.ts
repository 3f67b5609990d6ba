import { SpanledgerError } from '@spanledger/protocol';
import type { ErrorCode } from '@spanledger/protocol';

/** I7: how many different alarms are remembered as raised. */
const RAISED_MAX = 100;

/** Tells the same thing once, until there was reason to believe that it is over. */
export class Alarms {
  readonly #onAlarm: (error: SpanledgerError) => void;
  readonly #raised = new Set<string>();

  constructor(onAlarm: (error: SpanledgerError) => void) {
    this.#onAlarm = onAlarm;
  }

  raise(code: ErrorCode, message: string): void {
    if (this.#raised.has(message)) return;
    if (this.#raised.size >= RAISED_MAX) this.#raised.clear();
    this.#raised.add(message);
    try {
      this.#onAlarm(new SpanledgerError(code, message));
    } catch {
      // I5: it runs inside the connection's reader, which a throw would end.
    }
  }

  reset(): void {
    this.#raised.clear();
  }
}
