/**
 * Every error code of Spanledger, with its meaning in a line. `docs/errors.md` says what to do about each;
 * a test holds the two together. A retired code is never used again.
 */
export const ERROR_CODES = {
  SPANLEDGER_OPTION: 'an option or environment variable has an unusable value',
  SPANLEDGER_PRODUCER: 'the producer name is missing or not usable as a subject token',
  SPANLEDGER_VALUE: 'an id or attempt number given by the application is not valid',
  SPANLEDGER_EVENT: 'an audit event was given that cannot be sealed',
  SPANLEDGER_TRANSCRIPT: 'a transcript was given that cannot be sealed',
  SPANLEDGER_STEP_ACTIVE: 'a step was entered while it is still running in the same run',
  SPANLEDGER_ATTEMPTS: 'a step was not begun, because its attempts could not be counted',
  SPANLEDGER_NO_RUN: 'a phase was entered outside of every request, message and workflow',
  SPANLEDGER_DISABLED: 'OpenTelemetry is disabled or a part of Spanledger is not in the pipeline',
  SPANLEDGER_RUNTIME: 'this JavaScript runtime, or its version, is not supported',
  SPANLEDGER_NOT_STARTED: 'something was to be recorded, and Spanledger is not started in this process',
  SPANLEDGER_STARTED: 'Spanledger is already started in this process',
  SPANLEDGER_SINK_CLOSED: 'the sink was closed before the event was stored',
  SPANLEDGER_NO_SINK: 'an event was to be written, and there is nothing to write it to',
  SPANLEDGER_SINK_BACKPRESSURE: 'there is no room for an event',
  SPANLEDGER_SINK: 'a sink could not store an event, or could not be closed',
  SPANLEDGER_STREAM: 'the JetStream stream is missing, unreachable or configured differently',
  SPANLEDGER_REFUSED: 'the server refused an event for good',
  SPANLEDGER_NOT_DURABLE: 'an event that had to be durable first was not, so the action was not begun',
  SPANLEDGER_JOURNAL: 'the journal cannot be created, written, synced or read',
  SPANLEDGER_JOURNAL_FULL: 'the journal has no room for an event',
  SPANLEDGER_JOURNAL_LOCKED: 'a journal belongs to a running process',
  SPANLEDGER_KEY: 'a signing key or a set of public keys cannot be used',
  SPANLEDGER_SIGNER: 'an event could not be signed',
  SPANLEDGER_UNKNOWN_TASK: 'a listener came for a task that is finished',
  SPANLEDGER_BUS_CLOSED: 'a listener came to an event bus that is closed',
  SPANLEDGER_BUS_FULL: 'an event bus has as many listeners as it may have',
  SPANLEDGER_PAYLOAD: 'a payload cannot be copied as it is',
  SPANLEDGER_REDACTION_STRUCTURE: 'a redaction policy did not keep the structure of what it was given',
} as const;

/** A stable code: safe to compare, safe to alert on. */
export type ErrorCode = keyof typeof ERROR_CODES;

/** An error with a stable code. The message says what was wrong and what to do. */
export class SpanledgerError extends Error {
  override readonly name = 'SpanledgerError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}
