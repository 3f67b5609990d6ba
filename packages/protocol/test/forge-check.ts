import { canonicalBytes, readJwks, readSignature } from '../src/index.ts';
import type { Jwk } from '../src/index.ts';
import { verifiesBytes } from './ed25519.ts';

/**
 * What Forge's verifier does to an event: it reads it into a Go struct that has these members, writes that out again, without what
 * is empty, and checks the signature over the RFC 8785 form of the result. Ported from its rules; the program itself is asked
 * by test/forge-verifier.int.test.ts.
 */
const STRINGS =
  'ts event schema_version prev_hash sigp kid sig correlation_id task_id workflow_id workflow_execution_id stage_id step_id ' +
  'invocation_caller org_id workspace_id entity_id entity_type model provider request_id trace_id span_id';
const MEMBERS = new Map<string, 'string' | 'number' | 'boolean' | 'object'>([
  ...STRINGS.split(' ').map((name) => [name, 'string'] as const),
  ...['seq', 'input_tokens', 'output_tokens', 'duration_ms'].map((name) => [name, 'number'] as const),
  ['tokens_unavailable', 'boolean'],
  ['fields', 'object'],
]);
/** Pointers in Go: a zero is written. */
const POINTERS = new Set(['input_tokens', 'output_tokens', 'duration_ms']);
/** Written on every event. */
const ALWAYS = new Set(['ts', 'event', 'prev_hash']);

/** Throws where Forge would say that the event is malformed. */
export function forgeAccepts(bytes: Uint8Array, keys: readonly Jwk[]): boolean {
  const event = JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown>;
  const { sig: _, ...covered } = Object.fromEntries(
    Object.entries(event).filter(([name, value]) => isKept(name, value)),
  );
  const signature = readSignature(event);
  const key = readJwks({ keys }).find(({ kid }) => kid === signature?.kid);
  if (signature?.bytes === undefined || key === undefined || signature.sigp !== 'jcs-1') return false;
  return verifiesBytes(canonicalBytes(covered), signature.bytes, key);
}

function isKept(name: string, value: unknown): boolean {
  const type = MEMBERS.get(name);
  if (type === undefined) return false;
  if (typeof value !== type) throw new TypeError(`${name} is no ${type}`);
  if (type === 'number' && !Number.isSafeInteger(value)) throw new TypeError(`${name} is no integer`);
  const isEmpty = typeof value === 'object' && value !== null ? Object.keys(value).length === 0 : !value;
  return !isEmpty || POINTERS.has(name) || ALWAYS.has(name);
}
