import type { AuditEvent } from '@spanledger/protocol';
import { isSupersededIn } from './rewind-model.ts';

export interface Story {
  readonly status: string;
  readonly attempt?: number;
}

const ENDS = ['workflow_step_completed', 'workflow_step_failed'];
const WORKFLOW_ENDS: Readonly<Record<string, string>> = { workflow_complete: 'completed' };

/** What should be said in the end, by `execution step`: looked up in all events, for each step anew. */
export function storiesIn(events: readonly AuditEvent[]): Map<string, Story> {
  const stories = new Map<string, Story>();
  for (const execution of new Set(events.map((event) => event.workflow_execution_id!))) {
    const own = events.filter((event) => event.workflow_execution_id === execution);
    const tries = own.filter((event) => event.event.startsWith('workflow_') && event.step_id === undefined);
    const lastRun = tries
      .map((event) => event.run_id)
      .sort()
      .at(-1);
    const end = tries.find((event) => event.run_id === lastRun && WORKFLOW_ENDS[event.event] !== undefined);
    if (lastRun !== undefined) stories.set(`${execution} -`, { status: end ? WORKFLOW_ENDS[end.event]! : 'running' });
    for (const step of new Set(own.flatMap(stepsOf))) stories.set(`${execution} ${step}`, storyOf(own, step));
  }
  return stories;
}

function storyOf(own: readonly AuditEvent[], step: string): Story {
  const attempt = Math.max(...own.flatMap((event) => epochsOf(event, step)));
  const events = own.filter((event) => event.step_id === step && event.attempt_epoch === attempt);
  const [any] = events;
  if (any !== undefined && isSupersededIn(own, any)) return { status: 'superseded', attempt };
  const ends = new Set(events.map((event) => event.event).filter((event) => ENDS.includes(event)));
  if (ends.has('workflow_step_failed')) return { status: 'failed', attempt };
  return { status: ends.size > 0 ? 'completed' : 'running', attempt };
}

function parentOf(event: AuditEvent): { step_id: string; attempt_epoch: number } | undefined {
  return event.fields?.['parent'] as { step_id: string; attempt_epoch: number } | undefined;
}

function stepsOf(event: AuditEvent): string[] {
  return [event.step_id, parentOf(event)?.step_id].filter((step) => step !== undefined);
}

function epochsOf(event: AuditEvent, step: string): number[] {
  const parent = parentOf(event);
  return [
    ...(event.step_id === step ? [event.attempt_epoch!] : []),
    ...(parent?.step_id === step ? [parent.attempt_epoch] : []),
  ];
}
