import type { HrTime } from '@opentelemetry/api';
import type { RunOutcome, WorkflowContext } from '@spanledger/otel/internal';
import type { JsonValue } from '@spanledger/protocol';
import type { EventInput, SpanReference } from '../event-input.ts';
import { now } from './clock.ts';
import { errorFields } from './error-fields.ts';

/**
 * Which runs are bracketed by `invocation_started` and a terminal event:
 * `with-events`, those in which something else is recorded; `always`, each of them.
 */
export type LifecycleMode = 'always' | 'with-events';

/** When a run began or ended, and in which span, as its lifecycle emitter knows it. */
export interface BracketPoint {
  /** Default: now. */
  readonly time?: HrTime | undefined;
  /** The run's entry span, where there is one. */
  readonly span?: SpanReference | undefined;
  /** Whole run, in milliseconds; at its end. Default: measured from `begin`. */
  readonly durationMs?: number | undefined;
}

/**
 * The first and the last event of a run that comes from a carrier.
 *
 * Only the emitter that won `run.claimLifecycle()` calls `begin` and `end`, each once: the entry span if HTTP
 * instrumentation made one, else a middleware. Neither throws.
 */
export interface RunBrackets {
  begin(scope: WorkflowContext, point?: BracketPoint): void;
  /** To be called after the entry span's own events are emitted. `run.outcome`, a middleware's word, wins over an `ok` here. */
  end(scope: WorkflowContext, outcome: RunOutcome, point?: BracketPoint): void;
  /** Before any other event of the run is sealed: seals what is still held back. */
  beforeEvent(scope: WorkflowContext): void;
}

type Seal = (scope: WorkflowContext, input: EventInput) => void;

/** In the scope of the run itself: what makes it be sealed may be inside of a phase. */
interface HeldBack {
  readonly scope: WorkflowContext;
  readonly input: EventInput;
}

interface Bracket {
  readonly begunAtMs: number;
  /** Sealed with the run's first other event, or never: a run in which nothing is recorded has no number. */
  readonly heldBack: HeldBack[];
  open: boolean;
}

export function createRunBrackets(mode: LifecycleMode, seal: Seal): RunBrackets {
  // I7: weak, so a bracket lives as long as its run.
  const brackets = new WeakMap<object, Bracket>();

  /** Seals at once if the run is being recorded; otherwise keeps the event, with its true time, for if it ever is. */
  function sealOrHold(scope: WorkflowContext, bracket: Bracket, input: EventInput): void {
    if (mode === 'always' || scope.run.chain.seq > 0) seal(scope, input);
    else bracket.heldBack.push({ scope, input });
  }

  return {
    begin(scope, point = {}) {
      if (brackets.has(scope.run)) return;
      const bracket: Bracket = { begunAtMs: performance.now(), heldBack: [], open: true };
      brackets.set(scope.run, bracket);
      sealOrHold(scope, bracket, bracketEvent(scope, 'invocation_started', point));
    },

    end(scope, outcome, point = {}) {
      const bracket = brackets.get(scope.run);
      if (bracket === undefined || !bracket.open) return;
      bracket.open = false;
      const { durationMs = performance.now() - bracket.begunAtMs } = point;
      sealOrHold(scope, bracket, terminalEvent(scope, outcome, { ...point, durationMs }));
      scope.run.markTerminal();
    },

    beforeEvent(scope) {
      const bracket = brackets.get(scope.run);
      if (bracket === undefined || bracket.heldBack.length === 0) return;
      for (const held of bracket.heldBack.splice(0)) seal(held.scope, held.input);
    },
  };
}

function terminalEvent(scope: WorkflowContext, given: RunOutcome, point: BracketPoint): EventInput {
  const outcome = given.status === 'ok' ? (scope.run.outcome ?? given) : given;
  switch (outcome.status) {
    case 'ok':
      return bracketEvent(scope, 'invocation_complete', point);
    case 'error':
      return bracketEvent(scope, 'invocation_complete', point, { status: 'error', ...errorFields(outcome.error) });
    case 'cancelled':
      return bracketEvent(
        scope,
        'invocation_cancelled',
        point,
        outcome.reason ? { reason: outcome.reason } : undefined,
      );
    default:
      return outcome satisfies never;
  }
}

function bracketEvent(
  scope: WorkflowContext,
  event: string,
  point: BracketPoint,
  fields?: Record<string, JsonValue>,
): EventInput {
  const { callerCorrelationId } = scope.run;
  return {
    event,
    // A copy: what is held back must not change with the span.
    time: point.time ? [point.time[0], point.time[1]] : now(),
    span: point.span,
    durationMs: point.durationMs,
    fields: { ...fields, ...(callerCorrelationId && { caller_correlation_id: callerCorrelationId }) },
  };
}
