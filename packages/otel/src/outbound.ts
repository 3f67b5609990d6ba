import { createContextKey } from '@opentelemetry/api';
import type { Context, TextMapSetter } from '@opentelemetry/api';
import { WORKFLOW_FIELDS, parseId } from '@spanledger/protocol';
import type { WorkflowIdentity } from '@spanledger/protocol';
import { matchHosts } from './allowed-hosts.ts';
import type { HostMatcher } from './allowed-hosts.ts';
import { deleteHeader } from './carriers.ts';
import { logger } from './diagnostics.ts';
import { isInWorkflow } from './workflow-context.ts';

/** Where identity may go, and what we call ourselves there. */
export interface Outbound {
  readonly allows: HostMatcher;
  /** `undefined` where the producer's name cannot be written in a header. */
  readonly producer: string | undefined;
}

/** @throws SpanledgerError `SPANLEDGER_OPTION` for a bad host pattern. */
export function createOutbound(allowedHosts: readonly string[], producer: string | undefined): Outbound {
  const printable = parseId(producer) === producer;
  if (!printable)
    logger.warn(`producer ${JSON.stringify(producer)} is not visible ASCII: X-Invocation-Caller is not sent`);
  return { allows: matchHosts(allowedHosts), producer: printable ? producer : undefined };
}

/**
 * Writes identity as headers; nothing at all where it is of no workflow. The caller is our own name, never the name of who
 * called us.
 *
 * @returns whether anything was written.
 */
export function writeHeaders<C>(
  identity: WorkflowIdentity,
  outbound: Outbound,
  carrier: C,
  setter: TextMapSetter<C>,
): boolean {
  if (!isInWorkflow(identity)) return false;
  for (const { key, header } of WORKFLOW_FIELDS) {
    const value = key === 'caller' ? outbound.producer : identity[key];
    // Checked again: identity can be made by hand, and a bad header makes the whole request fail (I5).
    const text = value === undefined ? undefined : parseId(String(value));
    if (text !== undefined) setter.set(carrier, header, text);
  }
  return true;
}

/** Removes all workflow headers, in whatever case. */
export function deleteHeaders(carrier: unknown): void {
  for (const { header } of WORKFLOW_FIELDS) deleteHeader(carrier, header);
}

const WRITTEN = createContextKey('@spanledger/otel headers are written by hand');

/** In this context the propagator writes nothing: the request has its headers already, and two make both unusable. */
export function withoutInjection(ctx: Context): Context {
  return ctx.setValue(WRITTEN, true);
}

export function isInjectionOff(ctx: Context): boolean {
  return ctx.getValue(WRITTEN) === true;
}
