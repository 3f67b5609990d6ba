import type { TextMapGetter } from '@opentelemetry/api';
import { CORRELATION_ID_HEADER, WORKFLOW_FIELDS, parseAttempt, parseId } from '@spanledger/protocol';
import type { WorkflowIdentity } from '@spanledger/protocol';
import { carrierGetter } from './carriers.ts';
import { countIgnored } from './ignored-headers.ts';
import { processState } from './process-state.ts';
import { Run } from './run.ts';
import { isObject, judgeCarrier } from './trust-gate.ts';
import type { TrustInbound } from './trust-gate.ts';
import type { WorkflowContext } from './workflow-context.ts';

type InboundKey = keyof WorkflowIdentity | 'correlationId';

const KEY_BY_HEADER = new Map<string, InboundKey>([
  ...WORKFLOW_FIELDS.map(({ key, header }): [string, InboundKey] => [header.toLowerCase(), key]),
  [CORRELATION_ID_HEADER.toLowerCase(), 'correlationId'],
]);
const HEADER_NAMES = [...KEY_BY_HEADER.keys()];
const LONGEST_NAME = Math.max(...HEADER_NAMES.map((name) => name.length));

/** More than one value: which of them is meant nobody can say. */
const REPEATED = Symbol('repeated');

/**
 * Node and `Headers` join repeated headers with `, `, which no valid value holds. Where the last one is empty it is at the end,
 * and trimming would make `a,` of it: a value that nobody sent. (Around each single value they trim themselves.)
 */
const JOINED_WITH_EMPTY = /, $/;

/**
 * The workflow context of an inbound carrier: a run of its own, with workflow headers or without, and never that of the
 * context around it. The same carrier object always has the same one, so that HTTP instrumentation and our middleware,
 * which both extract, agree.
 *
 * Never throws, whatever the carrier and the getter are.
 *
 * @param trust default: that of the process, which its newest `WorkflowPropagator` set.
 */
export function workflowOfCarrier<C>(
  carrier: C,
  getter: TextMapGetter<C> = carrierGetter,
  trust: TrustInbound = processState().trustInbound,
): WorkflowContext {
  const { carriers } = processState();
  const known = isObject(carrier) ? carriers.get(carrier) : undefined;
  if (known !== undefined) return known;
  const scope = mintScope(carrier, getter, trust);
  if (isObject(carrier)) carriers.set(carrier, scope);
  return scope;
}

function mintScope<C>(carrier: C, getter: TextMapGetter<C>, trust: TrustInbound): WorkflowContext {
  const raw = readHeaders(carrier, getter);
  // A carrier that claims nothing need not be judged.
  const verdict = raw.size === 0 ? false : judgeCarrier(trust, carrier);
  if (verdict === false && raw.size > 0) countIgnored('untrusted', raw.size);
  const { correlationId, ...workflow } = verdict === false ? {} : parseHeaders(raw);
  const run = new Run('carrier', workflow);
  run.callerVerified = verdict === 'verified';
  run.callerCorrelationId = correlationId;
  return { run, workflow };
}

function readHeaders<C>(carrier: C, getter: TextMapGetter<C>): Map<InboundKey, unknown> {
  const raw = new Map<InboundKey, unknown>();
  for (const name of headerNames(carrier, getter)) {
    if (typeof name !== 'string' || name.length > LONGEST_NAME) continue;
    const key = KEY_BY_HEADER.get(name.toLowerCase());
    if (key === undefined) continue;
    const value = readValue(carrier, getter, name);
    if (value === undefined || value === null) continue;
    raw.set(key, raw.has(key) ? REPEATED : value);
  }
  return raw;
}

/** Some getters cannot list: then the names are asked for, in the case that Node gives headers. */
function headerNames<C>(carrier: C, getter: TextMapGetter<C>): readonly unknown[] {
  try {
    const names = Array.from(getter.keys(carrier));
    return names.length > 0 ? names : HEADER_NAMES;
  } catch {
    countIgnored('unreadable');
    return [];
  }
}

function readValue<C>(carrier: C, getter: TextMapGetter<C>, name: string): unknown {
  try {
    const value = getter.get(carrier, name);
    if (Array.isArray(value)) return value.length > 1 ? REPEATED : value[0];
    return typeof value === 'string' && JOINED_WITH_EMPTY.test(value) ? REPEATED : value;
  } catch {
    countIgnored('unreadable');
    return undefined;
  }
}

function parseHeaders(raw: ReadonlyMap<InboundKey, unknown>): WorkflowIdentity & { correlationId?: string } {
  const parsed: Partial<Record<InboundKey, string | number>> = {};
  for (const [key, value] of raw) {
    const usable = key === 'attempt' ? parseAttempt(value) : parseId(value);
    if (usable === undefined) countIgnored(value === REPEATED ? 'repeated' : 'invalid');
    else parsed[key] = usable;
  }
  return parsed as WorkflowIdentity & { correlationId?: string };
}
