import { SpanledgerError } from './errors.ts';

export const AUDIT_STREAM = 'AUDIT_EVENTS';

/** Root of all subjects, and the one flat subject on which existing agents publish. */
export const AUDIT_SUBJECT = 'auditEvent';

/** What a subject says of an event. Absent tokens are `undefined`. */
export interface SubjectParts {
  readonly workflowId?: string | undefined;
  readonly executionId?: string | undefined;
  readonly producer: string;
}

/** NATS separators and wildcards, our escape character, controls, space and everything outside ASCII. */
// oxlint-disable-next-line no-control-regex -- control characters are what it is there to find
const RESERVED = /[.*>%\u0000-\u0020\u007f-\u{10ffff}]/gu;
const LONE_SURROGATE = /\p{Surrogate}/u;
const ABSENT = '-';
const encoder = new TextEncoder();

/**
 * `auditEvent.<workflow_id>.<workflow_execution_id>.<producer>`: one execution, one workflow or one producer is a
 * server-side filter, and a NATS permission on `auditEvent.*.*.<producer>` binds a producer to its name.
 *
 * At most 1,164 bytes for ids and producers within their own limits (a server takes 4,096).
 */
export function encodeSubject(parts: SubjectParts): string {
  const { workflowId, executionId, producer } = parts;
  return `${AUDIT_SUBJECT}.${encodeToken(workflowId)}.${encodeToken(executionId)}.${encodeToken(producer)}`;
}

/** @returns the parts, or `undefined` if it is not a subject that `encodeSubject` writes (the flat one is not). */
export function decodeSubject(subject: string): SubjectParts | undefined {
  const parts = decodeTokens(subject.split('.'));
  // Written in one way only: anything else could name one producer to a permission and another one to a reader.
  return parts !== undefined && encodeSubject(parts) === subject ? parts : undefined;
}

/**
 * One token: reserved characters as uppercase `%XX` of their UTF-8 bytes; `-` for absent (`undefined` or `''`), `%2D`
 * for a literal `-`. A lone surrogate has no UTF-8 form and becomes U+FFFD.
 */
export function encodeToken(value: string | undefined): string {
  if (value === undefined || value === '') return ABSENT;
  if (value === ABSENT) return '%2D';
  return value.replace(RESERVED, escapeUtf8);
}

function decodeTokens(tokens: string[]): SubjectParts | undefined {
  try {
    const [, workflowId, executionId, producer] = tokens.map(decodeToken);
    if (producer === undefined) return undefined;
    return { ...(workflowId && { workflowId }), ...(executionId && { executionId }), producer };
  } catch {
    return undefined; // a URIError: the escapes are not UTF-8
  }
}

function decodeToken(token: string): string | undefined {
  return token === ABSENT ? undefined : decodeURIComponent(token);
}

function escapeUtf8(character: string): string {
  return Array.from(encoder.encode(character), (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`).join(
    '',
  );
}

/**
 * A producer's name: 1 to 128 bytes of well-formed UTF-8, and not one of OpenTelemetry's `unknown_service…` fallbacks, because the name
 * must stay the same over restarts and replicas.
 *
 * @throws SpanledgerError `SPANLEDGER_PRODUCER`
 */
export function checkProducer(name: unknown): string {
  const bytes = typeof name === 'string' ? encoder.encode(name).length : 0;
  if (
    typeof name !== 'string' ||
    bytes < 1 ||
    bytes > 128 ||
    LONE_SURROGATE.test(name) ||
    name.startsWith('unknown_service')
  ) {
    throw new SpanledgerError(
      'SPANLEDGER_PRODUCER',
      `producer must be a name of 1 to 128 bytes that stays the same over restarts, got ${JSON.stringify(name) ?? 'nothing'}: ` +
        'set the option `producer` or the environment variable OTEL_SERVICE_NAME',
    );
  }
  return name;
}
