import { randomUUID } from 'node:crypto';
import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import type { AttemptStore, AuditEvent } from '@spanledger/protocol';
import { assertLedger, assertValidEvents } from '@spanledger/testkit';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { createAuditPipeline, memorySink, registerPipeline } from '../src/index.ts';
import { eventsOf } from './support.ts';

/** A registered pipeline with a ledger in memory. */
export interface WorkflowLedger {
  /** All events so far. The ledger is verified. */
  events(): Promise<AuditEvent[]>;
  /** Without what brackets runs. */
  steps(): Promise<AuditEvent[]>;
}

let unregister = (): void => {};

/** To be called at the top level of a test file. @returns what begins a new ledger. */
export function useWorkflowLedger(): (attempts?: AttemptStore) => WorkflowLedger {
  beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
  afterEach(() => unregister());
  afterAll(() => context.disable());
  return (attempts) => {
    unregister();
    const sink = memorySink();
    const pipeline = createAuditPipeline({ producer: 'svc', sink, attempts });
    unregister = registerPipeline(pipeline);
    const events = async (): Promise<AuditEvent[]> => {
      await pipeline.flush();
      assertLedger(sink.records);
      assertValidEvents(sink.records);
      return eventsOf(sink);
    };
    return { events, steps: async () => (await events()).filter(({ step_id }) => step_id !== undefined) };
  };
}

/** `<event> <step> <attempt>` */
export const brief = ({ event, step_id, attempt_epoch }: AuditEvent): string =>
  step_id === undefined ? event : `${event} ${step_id} ${attempt_epoch}`;

export const idOf = ({ run_id, seq }: AuditEvent): string => `${run_id}:${seq}`;

export const newExecution = (): string => `ex-${randomUUID()}`;

/** The markers, each with the event after it checked: the start of the attempt that it announces. */
export function rewindsIn(events: readonly AuditEvent[]): AuditEvent[] {
  return events.filter((event, index) => {
    if (event.event !== 'stream_rewind') return false;
    const start = events.filter(({ run_id }) => run_id === event.run_id).find(({ seq }) => seq === event.seq + 1);
    const { step_id, attempt_epoch } = event;
    if (start?.event !== 'workflow_step_started' || start.step_id !== step_id || start.attempt_epoch !== attempt_epoch)
      throw new Error(`event ${index}, a stream_rewind, is followed by ${start && brief(start)}`);
    const announced = JSON.stringify([event.fields?.['step'], event.fields?.['new_epoch']]);
    if (announced !== JSON.stringify([step_id, attempt_epoch]))
      throw new Error(`event ${index} announces ${announced}`);
    return true;
  });
}
