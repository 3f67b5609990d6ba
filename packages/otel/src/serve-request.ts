import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import { ROOT_CONTEXT, context, propagation, trace } from '@opentelemetry/api';
import type { Context } from '@opentelemetry/api';
import { isTracingSuppressed } from '@opentelemetry/core';
import { RUN_ID_HEADER, RUN_RECORDED_HEADER } from '@spanledger/protocol';
import { carrierGetter } from './carriers.ts';
import { workflowOfCarrier } from './inbound.ts';
import { processState } from './process-state.ts';
import { outcomeOfStatus, whenServed } from './request-outcome.ts';
import { beginRun } from './run-lifecycle.ts';
import { getWorkflowContext, isInWorkflow, setWorkflowContext } from './workflow-context.ts';
import type { WorkflowContext } from './workflow-context.ts';

/**
 * Runs the rest of an HTTP request in its workflow context. The Express middleware and the Fastify plugin are made of
 * this; under plain `node:http` call it first thing in the request listener.
 *
 * It answers a trusted workflow request with `X-Workflow-Run-Id` (and `X-Workflow-Run-Recorded`, if there is an event of it
 * by now), and is the run's lifecycle emitter unless another one
 * has claimed it. A request that HTTP instrumentation was told to ignore (tracing is suppressed) is passed through.
 *
 * @returns what `next` returns. It throws only what `next` throws (I5).
 */
export function serveRequest<T>(request: IncomingMessage, response: ServerResponse, next: () => T): T {
  if (isTracingSuppressed(context.active())) return next();
  const { scope, ctx } = enterRequest(request.headers);
  const end = beginRun(scope);
  if (isInWorkflow(scope.workflow) && !response.headersSent) nameRun(scope, response);

  whenServed(request, response, (interruption) => {
    if (end !== undefined) end(interruption ?? outcomeOfStatus(response.statusCode));
    // The entry span is the emitter, and cannot tell a client that went away from a success.
    else scope.run.outcome ??= interruption;
  });

  // Listeners are called in the context of the connection otherwise, and body parsers continue from there.
  context.bind(ctx, request);
  context.bind(ctx, response);
  return context.with(ctx, next);
}

function nameRun({ run }: WorkflowContext, response: ServerResponse): void {
  response.setHeader(RUN_ID_HEADER, run.id);
  if (run.chain.seq > 0) response.setHeader(RUN_RECORDED_HEADER, 'true');
}

function enterRequest(headers: IncomingHttpHeaders): { scope: WorkflowContext; ctx: Context } {
  const scope = workflowOfCarrier(headers, carrierGetter, processState().trustInbound);
  const active = context.active();
  const around = getWorkflowContext(active);
  // HTTP instrumentation has extracted from the same headers: its context is the request's.
  if (around?.run === scope.run) return { scope, ctx: active };
  // Another run around a new request was there when the server was told to listen: neither it nor its span is the
  // request's. A span without a run is that of instrumentation that has not our propagator.
  const base = around === undefined && trace.getSpan(active) ? active : propagation.extract(ROOT_CONTEXT, headers);
  return { scope, ctx: setWorkflowContext(base, scope) };
}
