import { checkLedger } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import { checkChain, createChain, parseEvent, seal } from '../src/index.ts';
import type { AuditEventDraft } from '../src/index.ts';
import { sha256 } from './ed25519.ts';

const RUN_ID = '01890a5d-ac96-774b-bcce-b302099a8057';
const OTHER_RUN_ID = '01890a5d-ac96-774b-bcce-b302099a8058';
const WHOLE: Required<AuditEventDraft> = {
  ts: '2026-01-02T03:04:05.000006Z',
  event: 'audit_loss',
  producer: 'planner',
  task_id: 't',
  session_id: 's',
  client_request_id: 'c',
  workflow_id: 'wf',
  workflow_execution_id: 'ex',
  stage_id: 'st',
  step_id: 'sp',
  attempt_epoch: 2,
  invocation_caller: 'caller',
  caller_verified: true,
  entity_type: 'agent',
  entity_id: 'planner',
  agent_version: '1.2.3',
  org_id: 'o',
  workspace_id: 'w',
  trace_id: '0af7651916cd43dd8448eb211c80319c',
  span_id: 'b7ad6b7169203331',
  parent_span_id: 'b7ad6b7169203332',
  trace_sampled: true,
  duration_ms: 5,
  model: 'm',
  provider: 'p',
  input_tokens: 1,
  output_tokens: 2,
  tokens_unavailable: true,
  request_id: 'r',
  fields: { run_id: OTHER_RUN_ID, producer: 'of the application' },
};
/** The JSON members of the Go struct that Forge's verifier reads an event into, and writes it out of again. */
const FORGE_FIELDS = new Set(
  (
    'ts event schema_version seq prev_hash sigp kid sig correlation_id task_id workflow_id workflow_execution_id stage_id ' +
    'step_id invocation_caller org_id workspace_id entity_id entity_type model provider input_tokens output_tokens ' +
    'tokens_unavailable duration_ms request_id trace_id span_id fields'
  ).split(' '),
);

const sealed = (draft: AuditEventDraft, envelope: 'spanledger' | 'forge-1.0', chain = createChain(RUN_ID)) =>
  seal(chain, draft, 'auditEvent', sha256, { envelope });

describe('the form forge-1.0', () => {
  it('has nothing at its top level that Forge does not know', () => {
    const { bytes } = sealed(WHOLE, 'forge-1.0');
    const event = JSON.parse(Buffer.from(bytes).toString()) as object;
    expect(Object.keys(event).filter((name) => !FORGE_FIELDS.has(name))).toEqual([]);
  });

  it('reads like the other one, whatever the application calls its own fields', () => {
    const { fields: _, ...bare } = WHOLE;
    for (const draft of [WHOLE, bare, { ts: WHOLE.ts, event: 'x', producer: 'p' }]) {
      expect(parseEvent(sealed(draft, 'forge-1.0').bytes)).toEqual(parseEvent(sealed(draft, 'spanledger').bytes));
    }
  });

  it('is a chain', () => {
    const chain = createChain(RUN_ID);
    const events = [1, 2, 3].map(() => sealed(WHOLE, 'forge-1.0', chain));
    const bytes = events.map((event) => event.bytes);
    expect(checkChain(bytes, sha256)).toMatchObject({ status: 'ok', count: 3 });
    expect(checkLedger(bytes)).toMatchObject([
      { runId: RUN_ID, producers: ['planner'], events: 3, contiguous: true, chained: true },
    ]);
  });

  it('keeps its additions from what an application calls the same, and from its toJSON (I6)', () => {
    const evil = { spanledger: { run_id: OTHER_RUN_ID, producer: 'evil' }, toJSON: () => ({}) };
    const event = parseEvent(sealed({ ...WHOLE, fields: evil as never }, 'forge-1.0').bytes);
    expect(event).toMatchObject({ run_id: RUN_ID, producer: 'planner' });
  });

  it('is not taken from an event that has an addition at its top level', () => {
    const { bytes } = sealed({ ...WHOLE, fields: { spanledger: { producer: 'evil' } } }, 'spanledger');
    expect(parseEvent(bytes)).toMatchObject({ producer: 'planner', fields: { spanledger: { producer: 'evil' } } });
    const both = JSON.parse(Buffer.from(sealed(WHOLE, 'forge-1.0').bytes).toString()) as object;
    expect(parseEvent(Buffer.from(JSON.stringify({ ...both, producer: 'evil' })))).toBeUndefined();
  });

  it.each(['null', '7', '[]', '{}', '{"fields":[]}', '{"fields":{"spanledger":null}}', '{"fields":{"spanledger":{}}}'])(
    'hostile input is no event: %s',
    (text) => {
      expect(parseEvent(Buffer.from(text))).toBeUndefined();
    },
  );

  it('copies no prototype', () => {
    const text = Buffer.from(sealed(WHOLE, 'forge-1.0').bytes).toString();
    const event = parseEvent(Buffer.from(text.replace('"spanledger":{', '"__proto__":{"x":1},"spanledger":{')))!;
    expect(Object.getPrototypeOf(event.fields)).toBe(Object.prototype);
    expect((event as { x?: unknown }).x).toBeUndefined();
  });
});
