import { once } from 'node:events';
import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { assertValidEvents } from '@spanledger/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { audit, createAuditPipeline, getPipeline, memorySink, registerPipeline, workflow } from '../src/index.ts';
import type { MemorySink } from '../src/index.ts';

let sink: MemorySink;
let flush: () => Promise<unknown>;
let unregister = (): void => {};

beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
afterAll(() => context.disable());
beforeEach(() => {
  unregister();
  sink = memorySink();
  const pipeline = createAuditPipeline({ producer: 'svc', sink });
  unregister = registerPipeline(pipeline);
  flush = () => pipeline.flush();
});

async function events(): Promise<Record<string, unknown>[]> {
  await flush();
  return assertValidEvents(sink.records);
}

describe('audit.emit', () => {
  it('says once, where everyone sees it, that nothing is recorded without a pipeline', async () => {
    unregister();
    const warning = once(process, 'warning');
    expect(audit.emit({ event: 'payment' })).toBeUndefined();
    const again = (): void => void expect.unreachable();
    expect(await warning).toMatchObject([{ code: 'SPANLEDGER_NOT_STARTED' }]);
    process.once('warning', again);
    expect(audit.emit({ event: 'payment' })).toBeUndefined();
    await new Promise((resolve) => setImmediate(resolve));
    process.off('warning', again);
  });

  it('belongs to the step it is called in, and to the active span', async () => {
    const spanContext = { traceId: 'd'.repeat(32), spanId: 'e'.repeat(16), traceFlags: 0 };
    const id = await workflow.run({ executionId: 'ex' }, (run) =>
      run.step('s', () =>
        context.with(trace.setSpanContext(context.active(), spanContext), () =>
          audit.emit({ event: 'payment', fields: { amount: 3 } }),
        ),
      ),
    );
    const event = (await events()).find((candidate) => candidate['event'] === 'payment');
    expect(event).toMatchObject({
      workflow_execution_id: 'ex',
      step_id: 's',
      attempt_epoch: 1,
      trace_id: 'd'.repeat(32),
      fields: { amount: 3 },
    });
    expect(event).not.toHaveProperty('trace_sampled');
    expect(id).toBe([event?.['run_id'], event?.['seq']].join(':'));
  });

  it('belongs to the process outside of everything', async () => {
    const id = audit.emit({ event: 'boot', entityType: 'assistant' });
    expect(id).toMatch(new RegExp(`^${getPipeline()?.instance.run.id}:1$`));
    expect((await events())[0]).toMatchObject({ entity_type: 'assistant' });
  });

  it('takes any values as fields, and never throws for them (I5)', async () => {
    const cyclic: Record<string, unknown> = { big: 2n ** 70n, text: 'x'.repeat(1e6) };
    cyclic['self'] = cyclic;
    Object.defineProperty(cyclic, 'trap', {
      enumerable: true,
      get() {
        throw new Error('no');
      },
    });
    expect(audit.emit({ event: 'odd', fields: cyclic })).toBeDefined();
    expect((await events())[0]?.['fields']).toMatchObject({ big: '1180591620717411303424' });
  });

  it.each(['', 'Payment', 'a-b', 'a__b', 'audit_loss', undefined as never])('throws for the name %j', (event) => {
    const message = expect.stringContaining(`got ${JSON.stringify(event) ?? 'undefined'}`);
    expect(() => audit.emit({ event })).toThrow(expect.objectContaining({ code: 'SPANLEDGER_EVENT', message }));
  });

  it.each([new Date(), [-1, 0], [Date.now(), 0], 'now'] as never[])(
    'is not lost for the time %j: it happened now',
    async (time) => {
      expect(audit.emit({ event: 'payment', time })).toBeDefined();
      expect(Date.parse(String((await events())[0]?.['ts']))).toBeGreaterThan(Date.now() - 60_000);
    },
  );

  it('cannot name a span, nor pass the size of an event, by what is spread into it (I6, I7)', async () => {
    const body = { span: { traceId: 'a'.repeat(100_000), spanId: 'b', sampled: true }, tokensUnavailable: { huge: 1 } };
    audit.emit({ ...(body as object), event: 'payment' });
    const [event] = await events();
    expect(event).not.toHaveProperty('trace_id');
    expect(event).not.toHaveProperty('tokens_unavailable');
  });

  it('makes no event without a pipeline', () => {
    unregister();
    expect(audit.emit({ event: 'boot' })).toBeUndefined();
  });
});

describe('auth events', () => {
  it('record who, and never more than is listed', async () => {
    const request = {
      userId: 'u-1',
      orgId: 'o-1',
      tokenKind: 'jwt',
      groupsCount: 2,
      token: 'secret',
      claims: { email: 'e' },
    };
    audit.authVerify(request);
    audit.authFail({ ...request, reason: 'rejected' });
    expect((await events()).map(({ event, fields }) => ({ event, fields }))).toEqual([
      { event: 'auth_verify', fields: { user_id: 'u-1', org_id: 'o-1', groups_count: 2, token_kind: 'jwt' } },
      { event: 'auth_fail', fields: { reason: 'rejected', token_kind: 'jwt' } },
    ]);
  });
});
