import type { Outbound } from './outbound.ts';
import type { RunLifecycle } from './run-lifecycle.ts';
import type { TrustInbound } from './trust-gate.ts';
import type { WorkflowContext } from './workflow-context.ts';
import { Run } from './run.ts';

/**
 * What one process shares however many copies of this package and however many tracer providers it has
 * loaded: which carrier has which run, and the instance run.
 *
 * I7: the map is weak, so the state of a run lives exactly as long as something can still emit into it.
 */
interface ProcessState {
  readonly carriers: WeakMap<object, WorkflowContext>;
  readonly instance: WorkflowContext;
  lifecycle: RunLifecycle | undefined;
  /** Set by the newest `WorkflowPropagator`, for the helpers that work without one at hand. */
  trustInbound: TrustInbound;
  outbound: Outbound | undefined;
}

const KEY = Symbol.for('@spanledger/otel/process-state@1');

export function processState(): ProcessState {
  const holder = globalThis as { [KEY]?: ProcessState };
  return (holder[KEY] ??= {
    carriers: new WeakMap(),
    instance: { run: new Run('instance', {}), workflow: {} },
    lifecycle: undefined,
    trustInbound: true,
    outbound: undefined,
  });
}
