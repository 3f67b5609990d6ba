import type { Attributes } from '@opentelemetry/api';
import type { JsonValue } from '@spanledger/protocol';
import { toFields } from '../json-value.ts';
import type { SpanView } from '../span/span-view.ts';
import { contentSize, isContentKey } from './content-keys.ts';
import type { RecordLevel, RuleFields } from './designation-rule.ts';
import { ruleAnswer } from './rule-answer.ts';

/** One allow-listed field: its name in the event, and the attributes it may be read from, the preferred first. */
type FieldSource = readonly [field: string, keys: readonly string[]];

/** Reads a span's fields. It may throw what a rule's function or a getter of the span throws. */
export type FieldReader = (span: SpanView) => Record<string, JsonValue> | undefined;

export function createFieldReader(fields: RuleFields | undefined, level: RecordLevel): FieldReader {
  if (fields === undefined) return () => undefined;
  if (typeof fields === 'function') return (span) => recordFields(ruleAnswer(fields(span)), level);
  const sources: readonly FieldSource[] = isKeyList(fields)
    ? fields.map((key) => [key, [key]])
    : Object.entries(fields).map(([field, keys]) => [field, typeof keys === 'string' ? [keys] : keys]);
  return (span) => toFields(select(span.attributes, sources, level));
}

/** Fields that a function or the author of a span event chose: their names are what tells content from metadata. */
export function recordFields(
  fields: Readonly<Record<string, unknown>> | undefined,
  level: RecordLevel,
): Record<string, JsonValue> | undefined {
  if (level === 'payload' || fields === undefined) return toFields(fields);
  const sources = Object.keys(fields).map((key): FieldSource => [key, [key]]);
  return toFields(select(fields, sources, level));
}

function select(
  values: Attributes | Readonly<Record<string, unknown>>,
  sources: readonly FieldSource[],
  level: RecordLevel,
): Record<string, unknown> {
  const selected: Record<string, unknown> = {};
  for (const [field, keys] of sources) {
    // `toFields` would drop it, and here it would change the prototype.
    if (field === '__proto__') continue;
    for (const key of keys) {
      const value = read(values, key);
      if (value === undefined) continue;
      if (level === 'metadata' && isContentKey(key)) selected[`${field}_size`] = contentSize(value);
      else selected[field] = value;
      break;
    }
  }
  return selected;
}

/** A getter that throws loses its own field only. */
function read(values: Readonly<Record<string, unknown>>, key: string): unknown {
  try {
    return values[key];
  } catch {
    return '[unreadable]';
  }
}

function isKeyList(fields: Exclude<RuleFields, Function>): fields is readonly string[] {
  return Array.isArray(fields);
}
