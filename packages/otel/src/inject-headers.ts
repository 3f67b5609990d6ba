import { context } from '@opentelemetry/api';
import { hostOfUrl } from './allowed-hosts.ts';
import { carrierSetter } from './carriers.ts';
import { workflowOf } from './link-span.ts';
import { deleteHeaders, writeHeaders } from './outbound.ts';
import { processState } from './process-state.ts';

/**
 * Writes the current workflow identity for a request to `url`, if its host is allowed by the `WorkflowPropagator` of this
 * process. Workflow headers that were there are replaced, or removed where nothing may be sent: one headers object can be
 * used for several hosts.
 *
 * For code without HTTP instrumentation. With it, the propagator does this by itself, and a second writing would make
 * the headers repeated, which receivers ignore.
 *
 * @param url absolute; the scheme does not matter (`nats://…`).
 * @param headers `Headers`, a `Map`, NATS message headers, or a plain object.
 * @returns whether identity was written.
 */
export function injectWorkflowHeaders(url: string | URL, headers: object): boolean {
  deleteHeaders(headers);
  const { outbound } = processState();
  const host = hostOfUrl(url);
  if (outbound === undefined || host === undefined || !outbound.allows(host)) return false;
  return writeHeaders(workflowOf(context.active()).workflow, outbound, headers, carrierSetter);
}
