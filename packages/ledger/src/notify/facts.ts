import type { AuditEvent } from '@spanledger/protocol';
import { isName } from '../verify/field-values.ts';
import { attemptOf, parentOf } from '../rewind/step-epoch.ts';
import type { StepEpoch } from '../rewind/step-epoch.ts';

/** In the order in which one outdoes the other. `heard`: something of it was, but not that it began. */
const STAGES = ['heard', 'running', 'completed', 'cancelled', 'failed'] as const;
type Stage = (typeof STAGES)[number];

/** Steps around one attempt that are kept. There is one, unless orchestrators counted attempts apart. */
const PARENTS_MAX = 4;

/** What is known of one step, or of one workflow. Plain data: it is remembered over restarts. */
export interface Facts {
  /** Which try they are about: the epoch of a step; of a workflow, whose runs are its tries, a run id (UUIDv7: they sort by time). */
  readonly turn: number | string;
  readonly stage: Stage;
  readonly detail: FactsDetail;
  readonly workflowId?: string;
  /** The attempts that this attempt was begun in. */
  readonly parents?: readonly StepEpoch[];
  /** Stays, for this turn. */
  readonly superseded?: true;
}

/** Of the event that the stage is known from. */
interface FactsDetail {
  readonly producer?: string;
  readonly durationMs?: number;
  readonly errorType?: string;
  readonly traceId?: string;
}

/** Facts about one step, or, without a name, about the workflow. */
export interface NamedFacts {
  readonly stepId: string | undefined;
  readonly facts: Facts;
}

/** What an event says about its step, the step around it, or its workflow. */
export function factsOf(event: AuditEvent): readonly NamedFacts[] {
  const workflowId = isName(event.workflow_id) ? { workflowId: event.workflow_id } : {};
  const attempt = attemptOf(event);
  if (attempt === undefined) {
    const stage = workflowStage(event);
    if (stage === undefined || event.step_id !== undefined || !isName(event.run_id)) return [];
    return [{ stepId: undefined, facts: { turn: event.run_id, stage, detail: detailOf(event), ...workflowId } }];
  }
  const parent = parentOf(event);
  const stage = stepStage(event);
  const detail = stage === 'heard' ? {} : detailOf(event);
  const facts: Facts = { turn: attempt.epoch, stage, detail, ...workflowId, ...(parent && { parents: [parent] }) };
  const own = { stepId: attempt.stepId, facts };
  if (parent === undefined) return [own];
  return [{ stepId: parent.stepId, facts: { turn: parent.epoch, stage: 'heard', detail: {}, ...workflowId } }, own];
}

/**
 * Both together: the later turn; of one turn, what is further on. Whatever the order in which facts come, and how often, the result is
 * the same.
 *
 * @returns `known` itself, if nothing is new.
 */
export function joinFacts(known: Facts | undefined, more: Facts): Facts {
  if (known === undefined) return more;
  const workflowId = lesser(known.workflowId, more.workflowId);
  const joined = { ...joinTurns(known, more), ...(workflowId !== undefined && { workflowId }) };
  return JSON.stringify(sorted(joined)) === JSON.stringify(sorted(known)) ? known : joined;
}

function joinTurns(one: Facts, other: Facts): Facts {
  if (one.turn !== other.turn) return one.turn > other.turn ? one : other;
  const [further] = [one, other].sort(byStage) as [Facts, Facts];
  const parents = joinParents(one.parents, other.parents);
  return { ...further, ...(parents && { parents }), ...((one.superseded || other.superseded) && { superseded: true }) };
}

/** The furthest first; of two rivals always the same one. */
function byStage(one: Facts, other: Facts): number {
  const stages = STAGES.indexOf(other.stage) - STAGES.indexOf(one.stage);
  return stages !== 0 ? stages : compare(JSON.stringify(one.detail), JSON.stringify(other.detail));
}

function joinParents(one: Facts['parents'], other: Facts['parents']): Facts['parents'] {
  if (one === undefined || other === undefined) return one ?? other;
  const byName = new Map([...one, ...other].map((parent) => [JSON.stringify([parent.stepId, parent.epoch]), parent]));
  return [...byName]
    .sort(([a], [b]) => compare(a, b))
    .map(([, parent]) => parent)
    .slice(0, PARENTS_MAX);
}

function sorted({ turn, stage, detail, workflowId, parents, superseded }: Facts): unknown {
  return [turn, stage, detail, workflowId, parents, superseded];
}

function lesser(one: string | undefined, other: string | undefined): string | undefined {
  if (one === undefined || other === undefined) return one ?? other;
  return one < other ? one : other;
}

function compare(one: string, other: string): number {
  if (one === other) return 0;
  return one < other ? -1 : 1;
}

function stepStage({ event, fields }: AuditEvent): Stage {
  switch (event) {
    case 'workflow_step_started':
    case 'stream_rewind':
      return 'running';
    case 'workflow_step_completed':
      return 'completed';
    case 'workflow_step_failed':
      return fields?.['status'] === 'cancelled' ? 'cancelled' : 'failed';
    default:
      return 'heard';
  }
}

function workflowStage({ event }: AuditEvent): Stage | undefined {
  switch (event) {
    case 'workflow_started':
      return 'running';
    case 'workflow_complete':
      return 'completed';
    case 'workflow_cancelled':
      return 'cancelled';
    case 'workflow_failed':
      return 'failed';
    default:
      return undefined;
  }
}

function detailOf({ producer, duration_ms: durationMs, trace_id: traceId, fields }: AuditEvent): FactsDetail {
  const errorType = fields?.['error_type'];
  return {
    ...(isName(producer) && { producer }),
    ...(typeof durationMs === 'number' && durationMs >= 0 && durationMs < Infinity && { durationMs }),
    ...(isName(errorType) && { errorType }),
    ...(typeof traceId === 'string' && /^[0-9a-f]{32}$/.test(traceId) && { traceId }),
  };
}
