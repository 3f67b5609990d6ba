import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { envelopeText } from '../src/envelope-text.ts';
import { createChain } from '../src/index.ts';
import type { AuditEventDraft, Chain } from '../src/index.ts';

const anyText = fc.oneof(
  fc.string(),
  fc.string({ unit: 'binary' }),
  fc.constantFrom('', '"', '\\', '\u007f', '\ud800', '\n', 'é', '{}'),
);
const maybe = <Value>(value: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.option(value, { nil: undefined });
const [text, number, isTrue] = [maybe(anyText), maybe(fc.nat()), maybe(fc.constant(true as const))];

const anyDraft: fc.Arbitrary<AuditEventDraft> = fc.record({
  ts: anyText,
  event: anyText,
  producer: anyText,
  task_id: text,
  session_id: text,
  client_request_id: text,
  workflow_id: text,
  workflow_execution_id: text,
  stage_id: text,
  step_id: text,
  attempt_epoch: number,
  invocation_caller: text,
  caller_verified: isTrue,
  entity_type: text,
  entity_id: text,
  agent_version: text,
  org_id: text,
  workspace_id: text,
  trace_id: text,
  span_id: text,
  parent_span_id: text,
  trace_sampled: isTrue,
  duration_ms: number,
  model: text,
  provider: text,
  input_tokens: number,
  output_tokens: number,
  tokens_unavailable: isTrue,
  request_id: text,
  fields: maybe(fc.dictionary(anyText, fc.oneof(anyText, fc.integer(), fc.array(anyText)))),
});

function byStringify({ runId, head }: Chain, seq: number, { ts, event, producer, ...rest }: AuditEventDraft): string {
  const { task_id, session_id, client_request_id, ...others } = rest;
  const asked = { task_id, session_id, client_request_id };
  const own = { ts, event, schema_version: '1.0', producer, run_id: runId, seq, prev_hash: head };
  return JSON.stringify({ ...own, correlation_id: runId, ...asked, ...others });
}

describe('the text of an envelope', () => {
  it('is what JSON.stringify writes, whatever is in it, and whatever the event before it in its run was', () => {
    fc.assert(
      fc.property(anyText, fc.array(anyDraft, { minLength: 1, maxLength: 3 }), (runId, drafts) => {
        const chain = createChain(runId);
        for (const [i, draft] of drafts.entries()) {
          expect(envelopeText(chain, i + 1, draft)).toBe(byStringify(chain, i + 1, draft));
        }
      }),
    );
  });

  it('leaves out what JSON has no form for', () => {
    const draft = { ts: 'now', event: 'e', producer: 'p', model: () => 1, fields: { toJSON: () => undefined } };
    const written = JSON.parse(envelopeText(createChain('run'), 1, draft as never)) as object;
    expect(written).not.toHaveProperty('model');
    expect(written).not.toHaveProperty('fields');
    expect(written).toMatchObject({ event: 'e', producer: 'p', correlation_id: 'run' });
  });

  it('writes an event of a run anew when one of what they share is another', () => {
    const shared = {
      producer: '1',
      workflow_id: '2',
      workflow_execution_id: '3',
      entity_id: '4',
      agent_version: '5',
      org_id: '6',
      workspace_id: '7',
    };
    const chain = createChain('run');
    const written = (draft: typeof shared): object =>
      JSON.parse(envelopeText(chain, 1, { ts: '', event: '', ...draft }));
    for (const name of Object.keys(shared)) {
      expect(written(shared)).toMatchObject(shared);
      const changed = { ...shared, [name]: 'changed' };
      expect(written(changed)).toMatchObject(changed);
    }
  });
});
