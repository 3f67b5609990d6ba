import { context } from '@opentelemetry/api';
import { isTracingSuppressed } from '@opentelemetry/core';
import { SpanledgerError } from '@spanledger/protocol';
import { getPipeline } from '../pipeline/registry.ts';

/** What a service does with requests while new events would be lost. */
export interface RequestGateOptions {
  /**
   * Requests are refused with 503 while the ledger accepts nothing (`health().accepting`), and where Spanledger is not
   * started. Default `false`: they are served.
   */
  readonly failClosed?: boolean | { readonly retryAfterSeconds?: number };
}

/** What to answer instead of serving. */
export interface RequestRefusal {
  /** Default 5; 0 to 86,400. */
  readonly retryAfterSeconds: number;
  readonly error: SpanledgerError & { readonly statusCode: 503 };
}

const RETRY_AFTER_SECONDS = 5;
const RETRY_AFTER_SECONDS_MAX = 86_400;

/**
 * What the Express middleware and the Fastify plugin ask for every request. It looks and does not wait; a request that was let
 * in may still meet a ledger that no longer accepts.
 *
 * @returns the question: `undefined` if the request may be served, as may one that HTTP instrumentation was told to ignore.
 * @throws SpanledgerError `SPANLEDGER_OPTION`
 */
export function requestGate(options: RequestGateOptions = {}): () => RequestRefusal | undefined {
  const retryAfterSeconds = retryAfter(options.failClosed);
  if (retryAfterSeconds === undefined) return () => undefined;
  return () => {
    const open = getPipeline()?.health().accepting === true || isTracingSuppressed(context.active());
    return open ? undefined : { retryAfterSeconds, error: refusal() };
  };
}

function retryAfter(failClosed: RequestGateOptions['failClosed']): number | undefined {
  if (failClosed === undefined || failClosed === false) return undefined;
  if (failClosed === true) return RETRY_AFTER_SECONDS;
  // A misspelt wish for safety is not taken for none.
  if (typeof failClosed !== 'object' || failClosed === null) {
    throw new SpanledgerError('SPANLEDGER_OPTION', 'failClosed must be true, false or { retryAfterSeconds }');
  }
  const { retryAfterSeconds: seconds = RETRY_AFTER_SECONDS } = failClosed;
  if (Number.isInteger(seconds) && seconds >= 0 && seconds <= RETRY_AFTER_SECONDS_MAX) return seconds;
  throw new SpanledgerError(
    'SPANLEDGER_OPTION',
    `failClosed.retryAfterSeconds must be a whole number from 0 to ${RETRY_AFTER_SECONDS_MAX}, got ${seconds}`,
  );
}

function refusal(): RequestRefusal['error'] {
  const message = 'the audit ledger accepts nothing at the moment, and this service does nothing without it';
  return Object.assign(new SpanledgerError('SPANLEDGER_NOT_DURABLE', message), { statusCode: 503 as const });
}
