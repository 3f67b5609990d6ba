import { eventId } from '@spanledger/protocol';
import type { AuditEvent } from '@spanledger/protocol';
import { isName } from '../verify/field-values.ts';

/** What the end of a step says of one call. */
export interface DispatchClaim {
  readonly executionId: string;
  readonly stepId: string | undefined;
  readonly attempt: number | undefined;
  /** The run that answered. */
  readonly runId: string;
  readonly host: string | undefined;
  /** It had an event when it answered. */
  readonly recorded: boolean;
  /** The orchestrator's event. */
  readonly by: { readonly runId: string; readonly seq: number; readonly eventId: string };
  /** Where the first copy of that event is stored. */
  streamSeq: number;
}

const ENDS = new Set([
  'workflow_step_completed',
  'workflow_step_failed',
  'workflow_complete',
  'workflow_failed',
  'workflow_cancelled',
]);

/** I7: more than a producer of ours names in one event, and far less than 16 MiB of them. */
const CLAIMS_MAX = 1_000;

/** The calls that an event names. What has not the form of one is passed over: nobody vouches for the bytes. */
export function readDispatched(event: AuditEvent, streamSeq: number): DispatchClaim[] {
  const { workflow_execution_id: executionId, run_id: runId, seq } = event;
  const dispatched: unknown = event.fields?.['dispatched'];
  if (!ENDS.has(event.event) || !isName(executionId) || !Array.isArray(dispatched)) return [];
  const by = { runId, seq, eventId: eventId({ runId, seq }) };
  const stepId = text(event.step_id);
  const attempt = Number.isSafeInteger(event.attempt_epoch) ? event.attempt_epoch : undefined;
  return dispatched.slice(0, CLAIMS_MAX).flatMap((call: { run_id?: unknown; host?: unknown; recorded?: unknown }) => {
    const called = text(call?.run_id);
    if (called === undefined) return [];
    const recorded = call.recorded === true;
    return [{ executionId, stepId, attempt, runId: called, host: text(call.host), recorded, by, streamSeq }];
  });
}

/** How many calls it counts beyond those. */
export function readUnnamed(event: AuditEvent): number {
  const more: unknown = event.fields?.['dispatched_more'];
  return ENDS.has(event.event) && Number.isSafeInteger(more) ? Math.max(0, more as number) : 0;
}

/** The runs that an event of the ledger about itself says there were, and what became of them. */
export function readNamed(event: AuditEvent): { readonly runId: string; readonly as: 'recorded' | 'ended' | 'lost' }[] {
  const { fields } = event;
  switch (event.event) {
    case 'audit_checkpoint': {
      const runs: unknown = fields?.['runs'];
      if (!Array.isArray(runs)) return [];
      return runs.flatMap((head: { run_id?: unknown }) => named(head?.run_id, 'recorded'));
    }
    case 'run_abandoned':
      return named(fields?.['run_id'], 'ended');
    case 'audit_loss':
      return named(fields?.['run_id'], 'lost');
    default:
      return [];
  }
}

function named<As>(runId: unknown, as: As): { runId: string; as: As }[] {
  return isName(runId) ? [{ runId, as }] : [];
}

function text(value: unknown): string | undefined {
  return isName(value) ? value : undefined;
}
