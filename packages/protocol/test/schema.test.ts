import { createHash } from 'node:crypto';
import { assertValidEvents } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import {
  AGENT_EVENTS,
  LEDGER_EVENTS,
  ORCHESTRATOR_EVENTS,
  WORKFLOW_FIELDS,
  createChain,
  isEventName,
  parseEvent,
  seal,
} from '../src/index.ts';
import type { AuditEventDraft } from '../src/index.ts';

/** Every field there is: a field that the type knows and the schema does not fails to validate here. */
const full: Required<{ [Field in keyof AuditEventDraft]: NonNullable<AuditEventDraft[Field]> }> = {
  ts: '2026-01-02T03:04:05.000006Z',
  event: 'llm_call',
  producer: 'agent',
  task_id: 'task',
  session_id: 'session',
  client_request_id: 'request',
  workflow_id: 'workflow',
  workflow_execution_id: 'execution',
  stage_id: 'stage',
  step_id: 'step',
  attempt_epoch: 2,
  invocation_caller: 'caller',
  caller_verified: true,
  entity_type: 'agent',
  entity_id: 'agent',
  agent_version: '1.0',
  org_id: 'org',
  workspace_id: 'workspace',
  trace_id: 'a'.repeat(32),
  span_id: 'b'.repeat(16),
  parent_span_id: 'c'.repeat(16),
  trace_sampled: true,
  duration_ms: 0,
  model: 'model',
  provider: 'provider',
  input_tokens: 0,
  output_tokens: 7,
  tokens_unavailable: true,
  request_id: 'request',
  fields: { text: '', no: false, number: -1.5, list: [], object: {} },
};

const sealed = seal(createChain('0198f3a0-7c1e-7d42-9b1a-3f2e5d6c7b8a'), full, 'auditEvent', (bytes) =>
  createHash('sha256').update(bytes).digest('hex'),
);
const event: object = { ...parseEvent(sealed.bytes) };

describe('the JSON Schema', () => {
  it('knows every field that the type knows', () => {
    const [parsed] = assertValidEvents([sealed]);
    expect(parsed).toMatchObject(full);
  });

  it('knows every workflow field', () => {
    for (const { field } of WORKFLOW_FIELDS) expect(full).toHaveProperty(field);
  });

  it('takes a signed event', () => {
    expect(assertValidEvents([{ ...event, kid: 'k', sigp: 'jcs-1', sig: 'AAAA' }])).toHaveLength(1);
  });

  it.each(Object.keys(full))('absent means absent: %s is never null, empty, false or {}', (field) => {
    for (const empty of [null, '', false, {}]) {
      expect(() => assertValidEvents([{ ...event, [field]: empty }])).toThrow(`/${field}`);
    }
  });

  it.each([
    { unknown_field: 1 },
    { seq: 0 },
    { seq: 2 },
    { prev_hash: 'f'.repeat(64) },
    { correlation_id: '0198f3a0-7c1e-7d42-9b1a-3f2e5d6c7b8b' },
    { run_id: 'e0e0e0e0-0000-4000-8000-000000000000' },
    { ts: '2026-01-02T03:04:05Z' },
    { ts: '2026-13-02T03:04:05.000006Z' },
    { event: 'LLM-Call' },
    { producer: 'unknown_service:node' },
    { workflow_id: 'a b' },
    { workflow_id: 'x'.repeat(129) },
    { attempt_epoch: 0 },
    { duration_ms: 1.5 },
    { trace_id: 'A'.repeat(32) },
    { fields: { a: null } },
    { fields: { a: [{ b: null }] } },
    { fields: { a: 2 ** 53 } },
    { sig: 'AAAA' },
  ])('refuses %j', (change) => {
    expect(() => assertValidEvents([{ ...event, ...change }])).toThrow(/^event 0: .*(must|is not)/);
  });

  it.each(['ts', 'event', 'schema_version', 'producer', 'run_id', 'seq', 'prev_hash', 'correlation_id'])(
    'refuses an event without %s',
    (field) => {
      const without = Object.fromEntries(Object.entries(event).filter(([key]) => key !== field));
      expect(() => assertValidEvents([without])).toThrow(field);
    },
  );

  it('refuses a line break', () => {
    expect(() => assertValidEvents([`${JSON.stringify(event)}\n`])).toThrow('line break');
  });
});

describe('event names', () => {
  it('are all names', () => {
    const names = [...ORCHESTRATOR_EVENTS, ...AGENT_EVENTS, ...LEDGER_EVENTS];
    expect(names.filter((name) => !isEventName(name))).toEqual([]);
    expect(new Set(names).size).toBe(names.length);
  });
});
