import type { AuditEvent } from '@spanledger/protocol';
import { isName } from '../verify/field-values.ts';
import type { Outcome } from './rollup-report.ts';

/** How an execution or an attempt ended, as its last end event says. */
export interface End {
  readonly ts: string;
  readonly outcome: Exclude<Outcome, 'open'>;
  readonly durationMs: number | undefined;
  readonly errorType: string | undefined;
}

/** `undefined` for events that end neither a workflow nor a step. */
export function readEnd(event: AuditEvent): End | undefined {
  const outcome = outcomeOf(event);
  if (outcome === undefined) return undefined;
  const errorType: unknown = event.fields?.['error_type'];
  return {
    ts: event.ts,
    outcome,
    durationMs: typeof event.duration_ms === 'number' ? event.duration_ms : undefined,
    errorType: outcome === 'failed' && isName(errorType) ? errorType : undefined,
  };
}

/** The later of two; of two contents at one moment always the same one, so that arrival does not count. */
export function later(a: End | undefined, b: End): End {
  return a !== undefined && key(a) >= key(b) ? a : b;
}

function outcomeOf({ event, fields }: AuditEvent): End['outcome'] | undefined {
  switch (event) {
    case 'workflow_complete':
    case 'workflow_step_completed':
      return 'completed';
    case 'workflow_failed':
      return 'failed';
    case 'workflow_cancelled':
      return 'cancelled';
    case 'workflow_step_failed':
      return fields?.['status'] === 'cancelled' ? 'cancelled' : 'failed';
    default:
      return undefined;
  }
}

function key({ ts, outcome, durationMs, errorType }: End): string {
  return `${ts} ${outcome} ${durationMs} ${errorType}`;
}
