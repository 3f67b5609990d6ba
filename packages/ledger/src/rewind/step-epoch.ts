import type { AuditEvent } from '@spanledger/protocol';
import { isName, isSeq } from '../verify/field-values.ts';

/** One try of one step. `epoch` is from 1. */
export interface StepEpoch {
  readonly stepId: string;
  readonly epoch: number;
}

/** What is looked at in an event. */
export type EventOfAttempt = Pick<AuditEvent, 'run_id'> &
  Partial<Pick<AuditEvent, 'event' | 'workflow_execution_id' | 'step_id' | 'attempt_epoch' | 'fields'>>;

/** The attempt that an event belongs to: a `stream_rewind` to the one that it announces. */
export function attemptOf(event: EventOfAttempt): StepEpoch | undefined {
  return announcedBy(event) ?? toAttempt(event.step_id, event.attempt_epoch);
}

/** The attempt that its step was begun in, where the event is the beginning of one. */
export function parentOf({ event, fields }: EventOfAttempt): StepEpoch | undefined {
  if (event !== 'workflow_step_started') return undefined;
  const parent = fields?.['parent'] as { step_id?: unknown; attempt_epoch?: unknown } | null | undefined;
  return toAttempt(parent?.step_id, parent?.attempt_epoch);
}

/** Epochs count per execution; where there is none, per run. `undefined` for names that are not held on to. */
export function scopeOf({ workflow_execution_id: executionId, run_id: runId }: EventOfAttempt): string | undefined {
  if (isName(executionId)) return `execution ${executionId}`;
  return isName(runId) ? `run ${runId}` : undefined;
}

function announcedBy({ event, fields }: EventOfAttempt): StepEpoch | undefined {
  return event === 'stream_rewind' ? toAttempt(fields?.['step'], fields?.['new_epoch']) : undefined;
}

function toAttempt(stepId: unknown, epoch: unknown): StepEpoch | undefined {
  return isName(stepId) && isSeq(epoch) ? { stepId, epoch } : undefined;
}
