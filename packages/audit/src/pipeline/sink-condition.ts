import { SpanledgerError } from '@spanledger/protocol';
import type { WriteOutcome } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';

/** Whether the sink stores events, by its last answer. Said once when it begins to fail, and once when it stores again. */
export class SinkCondition {
  /** What it answered last, if that was a failure. */
  error: Error | undefined;
  readonly #name: string;

  constructor(name: string) {
    this.#name = name;
  }

  stored(): void {
    if (this.error !== undefined) log.info(`sink ${this.#name} stores again`);
    this.error = undefined;
  }

  /** @param isShutDown it may have been closed by ourselves: what is left then is said at the end of the shutdown. */
  failed({ status, error }: Exclude<WriteOutcome, { status: 'stored' }>, isShutDown: boolean): void {
    const isExpected = isShutDown && error instanceof SpanledgerError && error.code === 'SPANLEDGER_SINK_CLOSED';
    if (this.error === undefined && !isExpected) log.error(`sink ${this.#name} ${status} an event:`, error);
    this.error = error;
  }
}
