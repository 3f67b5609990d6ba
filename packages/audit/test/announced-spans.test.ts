import { context, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { registerPipeline, workflow } from '../src/index.ts';
import { traced } from './span-fixture.ts';

beforeEach(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
afterEach(() => {
  trace.disable();
  context.disable();
});

it('announces an attempt before the event of its span, where an application designates that', async () => {
  const rules = [{ when: { name: 'step pay' }, event: { start: 'pay_begun', end: 'pay_done' } }];
  const { provider, pipeline, events } = traced({ rules });
  trace.setGlobalTracerProvider(provider);
  const unregister = registerPipeline(pipeline);
  try {
    await workflow.run({}, (run) =>
      run.step('pay', { attempts: 2 }, ({ attempt }) => {
        if (attempt === 1) throw new Error('once');
      }),
    );
    const story = (await events()).filter(({ step_id }) => step_id === 'pay');
    expect(story.map(({ event, attempt_epoch }) => `${event} ${String(attempt_epoch)}`)).toEqual([
      'pay_begun 1',
      'workflow_step_started 1',
      'workflow_step_failed 1',
      'pay_done 1',
      'stream_rewind 2',
      'pay_begun 2',
      'workflow_step_started 2',
      'workflow_step_completed 2',
      'pay_done 2',
    ]);
    const [whole] = (await events()).filter(({ event }) => event === 'workflow_started');
    const marker = story.find(({ event }) => event === 'stream_rewind');
    expect(marker).toMatchObject({ trace_id: whole!['trace_id'], span_id: whole!['span_id'] });
  } finally {
    unregister();
  }
});
