import { JWKS_PATH, SpanledgerError } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import { getPipeline } from '../pipeline/registry.ts';

export interface KeysRouteOptions {
  /** How long a reader may keep the answer, in seconds. Default 300; 0 to 86,400. */
  readonly maxAgeSeconds?: number;
}

/** What a service answers to who asks for its public keys. */
export interface KeysRoute {
  /** `/.well-known/forge-audit-keys` */
  readonly path: string;
  /** 200 with a JWKS (RFC 8037); 404 where nothing is signed, and where Spanledger is not started. Never throws. */
  readonly answer: () => KeysAnswer;
}

interface KeysAnswer {
  readonly statusCode: 200 | 404 | 503;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

const MAX_AGE_SECONDS = 300;
const MAX_AGE_SECONDS_MAX = 86_400;

/**
 * The JWKS of this process, for the Express middleware and the Fastify plugin.
 *
 * @throws SpanledgerError `SPANLEDGER_OPTION`
 */
export function keysRoute({ maxAgeSeconds = MAX_AGE_SECONDS }: KeysRouteOptions = {}): KeysRoute {
  if (!Number.isInteger(maxAgeSeconds) || maxAgeSeconds < 0 || maxAgeSeconds > MAX_AGE_SECONDS_MAX) {
    throw new SpanledgerError(
      'SPANLEDGER_OPTION',
      `maxAgeSeconds must be a whole number from 0 to ${MAX_AGE_SECONDS_MAX}, got ${maxAgeSeconds}`,
    );
  }
  return { path: JWKS_PATH, answer: () => answer(maxAgeSeconds) };
}

function answer(maxAgeSeconds: number): KeysAnswer {
  try {
    const jwks = getPipeline()?.jwks();
    if (jwks === undefined) return failure(404, 'Not Found', 'this service does not sign its audit events');
    return {
      statusCode: 200,
      headers: { 'content-type': 'application/jwk-set+json', 'cache-control': `public, max-age=${maxAgeSeconds}` },
      body: JSON.stringify(jwks),
    };
  } catch (error) {
    log.error('the public keys cannot be served:', error);
    return failure(503, 'Service Unavailable', 'the public keys cannot be had at the moment');
  }
}

/** Not to be kept: the service may sign after its next start. */
function failure(statusCode: 404 | 503, error: string, message: string): KeysAnswer {
  return {
    statusCode,
    headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' },
    body: JSON.stringify({ statusCode, error, message }),
  };
}
