import { SpanledgerError } from '@spanledger/protocol';

/** For `emitDurable`. */
export function notDurable(reason: string, cause?: unknown): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_NOT_DURABLE', `the event is not durable: ${reason}`, { cause });
}

/** What became of an event for which there was no time. */
export function shutDown(): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_SINK_CLOSED', 'the pipeline was shut down before the event was stored');
}
