import { createRequire } from 'node:module';
import { Ajv2020 } from 'ajv/dist/2020.js';
import type { LedgerRecord, SealedEvent } from '@spanledger/protocol';
import { inOneForm } from './one-form.ts';

/** An event as tests have it: its bytes or text, what a sink was given, what a reader got, or the parsed object. */
export type EventLike = Uint8Array | string | SealedEvent | LedgerRecord | object;

const schema = createRequire(import.meta.url)('@spanledger/protocol/schema.json') as object;
const validate = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true }).compile(schema);

/**
 * Every test that makes events calls this: each event fits the shipped JSON Schema and, where its bytes are given, is
 * one line of UTF-8 JSON.
 *
 * @returns the parsed events; of the `forge-1.0` form, as the other form would have them.
 * @throws Error naming the first event that does not fit, and everything that is wrong with it.
 */
export function assertValidEvents(events: Iterable<EventLike>): Record<string, unknown>[] {
  return Array.from(events, (event, index) => assertValidEvent(event, `event ${index}`));
}

function assertValidEvent(event: EventLike, label: string): Record<string, unknown> {
  const value = inOneForm(parse(event, label));
  const problems = validate(value)
    ? []
    : (validate.errors ?? []).map((error) => `${error.instancePath} ${error.message}`);
  if (value['correlation_id'] !== value['run_id']) problems.push('/correlation_id is not run_id');
  if (problems.length > 0) throw new Error(`${label}: ${problems.join('; ')}: ${JSON.stringify(value)}`);
  return value;
}

function parse(event: EventLike, label: string): Record<string, unknown> {
  const raw = typeof event === 'object' && 'bytes' in event ? event.bytes : event;
  if (typeof raw !== 'string' && !(raw instanceof Uint8Array)) return raw as Record<string, unknown>;
  const text = typeof raw === 'string' ? raw : new TextDecoder('utf-8', { fatal: true }).decode(raw);
  if (/[\r\n]/.test(text)) throw new Error(`${label} holds a line break`);
  return JSON.parse(text) as Record<string, unknown>;
}
