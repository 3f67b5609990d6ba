import { context, trace } from '@opentelemetry/api';
import type { WorkflowContext } from '@spanledger/otel/internal';
import { pipelineOrWarn } from '../pipeline/registry.ts';
import { validReference } from '../span-reference.ts';
import { entityTypeOf } from './activity.ts';

/**
 * Says that the attempts of a step before this one are superseded, from an event on, if that is known. To be called in the turn of its
 * start, before its span is started: an application may designate that, and the marker comes before every event of the attempt.
 *
 * @param scope of the new attempt.
 */
export function announceAttempt(scope: WorkflowContext, supersededStart: string | undefined): void {
  const { stepId, attempt } = scope.workflow;
  if (stepId === undefined || attempt === undefined) return;
  const span = validReference(trace.getSpanContext(context.active()));
  const after = supersededStart === undefined ? {} : { superseded_after_event_id: supersededStart };
  pipelineOrWarn()?.emit(scope, {
    event: 'stream_rewind',
    entityType: entityTypeOf(scope),
    ...(span && { span }),
    fields: { step: stepId, ...after, new_epoch: attempt },
  });
}
