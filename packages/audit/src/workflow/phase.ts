import { context } from '@opentelemetry/api';
import { Run, workflowOf } from '@spanledger/otel/internal';
import type { WorkflowContext } from '@spanledger/otel/internal';
import { SpanledgerError } from '@spanledger/protocol';
import { pipelineOrWarn } from '../pipeline/registry.ts';
import { activityIn } from './activity.ts';
import { runStep } from './run-step.ts';
import type { StepPlace } from './run-step.ts';
import { parseStep } from './step.ts';
import type { StepArguments, StepFunction } from './step.ts';
import type { StepOptions } from './workflow-options.ts';

/**
 * Runs a part of an agent's work as a step of its own: `<step>/<name>` inside the step that this request, message or function
 * belongs to; `<name>` where it belongs to none. Its events are in the run of the moment. Everything else is as with `run.step`:
 * pairs of events, attempts, rewinds, spans, cancellation by the step around it.
 *
 * Where Spanledger is not started, `fn` is called and nothing is recorded.
 *
 * @param name 1 to 128 visible ASCII characters, with the step's around it.
 * @returns what `fn` returns.
 * @throws what `fn` throws, unchanged; SpanledgerError as `run.step` does, and `SPANLEDGER_NO_RUN` outside of every request, message
 * and workflow, before anything is recorded.
 */
export function phase<T>(name: string, fn: StepFunction<T>): Promise<T>;
export function phase<T>(name: string, options: StepOptions, fn: StepFunction<T>): Promise<T>;
export async function phase<T>(name: string, ...given: StepArguments<T>): Promise<T> {
  const place = placeOf(name);
  return runStep(parseStep(name, given, place.scope.workflow.stepId), place);
}

function placeOf(name: string): StepPlace {
  const ctx = context.active();
  const scope = runScope(workflowOf(ctx), name);
  const around = activityIn(ctx);
  return around?.scope.run === scope.run ? { scope: around.scope, around } : { scope, around: undefined };
}

/** I5: an application that runs without Spanledger, as in its tests, has no runs either. */
function runScope(scope: WorkflowContext, name: string): WorkflowContext {
  if (scope.run.origin !== 'instance') return scope;
  if (pipelineOrWarn() === undefined) return { run: new Run('workflow', {}), workflow: {} };
  throw new SpanledgerError(
    'SPANLEDGER_NO_RUN',
    `phase ${name} is outside of every request, message and workflow: call it inside of a handler, receive() or workflow.run()`,
  );
}
