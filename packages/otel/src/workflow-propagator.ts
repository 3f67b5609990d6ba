import { SpanKind, defaultTextMapGetter, trace } from '@opentelemetry/api';
import type { Attributes, Context, Span, TextMapGetter, TextMapPropagator, TextMapSetter } from '@opentelemetry/api';
import { isTracingSuppressed } from '@opentelemetry/core';
import { WORKFLOW_FIELDS, checkProducer } from '@spanledger/protocol';
import { canonicalHost, hostOfUrl } from './allowed-hosts.ts';
import type { HostMatcher } from './allowed-hosts.ts';
import { carrierGetter } from './carriers.ts';
import { logger } from './diagnostics.ts';
import { workflowOfCarrier } from './inbound.ts';
import { workflowOf } from './link-span.ts';
import { guardMisnamedRequests } from './misnamed-requests.ts';
import type { MisnamedRequestGuard } from './misnamed-requests.ts';
import { createOutbound, isInjectionOff, writeHeaders } from './outbound.ts';
import type { Outbound } from './outbound.ts';
import { markProbe } from './pipeline-probe.ts';
import { processState } from './process-state.ts';
import { watchRequests } from './trust-gate.ts';
import type { TrustInbound } from './trust-gate.ts';
import { setWorkflowContext } from './workflow-context.ts';

export interface WorkflowPropagatorOptions {
  /** Our name in `X-Invocation-Caller`. Default: the header is not sent. */
  readonly producer?: string | undefined;
  /** Whether to believe inbound headers. Default: `true`. */
  readonly trustInbound?: TrustInbound | undefined;
  /**
   * The hosts that identity may be sent to: `orchestrator.svc` for one, `*.agents.internal` for its subdomains of any depth.
   * Default: none, because these ids identify customers' runs.
   */
  readonly outbound?: { readonly allowedHosts: readonly string[] } | undefined;
}

/**
 * Reads and writes workflow identity in headers, beside (never instead of) W3C trace context.
 *
 * `extract` gives every carrier a run of its own. `inject` writes only to allowed hosts, known by the active client span.
 * Constructing one also makes its options those of this process, for `extractWorkflow`, `receive`,
 * `injectWorkflowHeaders` and `workflowFetch`; the last one constructed wins, `shutdown` undoes it.
 */
export class WorkflowPropagator implements TextMapPropagator {
  readonly #trust: TrustInbound;
  readonly #outbound: Outbound | undefined;
  readonly #misnamed: MisnamedRequestGuard | undefined;
  readonly #unwatchRequests: (() => void) | undefined;

  /** @throws SpanledgerError `SPANLEDGER_OPTION` for a bad host pattern, `SPANLEDGER_PRODUCER` for a bad producer. */
  constructor(options: WorkflowPropagatorOptions = {}) {
    const { producer, trustInbound = true, outbound } = options;
    if (producer !== undefined) checkProducer(producer);
    this.#trust = trustInbound;
    this.#outbound = outbound && createOutbound(outbound.allowedHosts, producer);
    this.#misnamed = this.#outbound && guardMisnamedRequests(this.#outbound.allows);
    this.#unwatchRequests = typeof trustInbound === 'function' ? watchRequests() : undefined;
    const state = processState();
    state.trustInbound = trustInbound;
    state.outbound = this.#outbound;
  }

  extract<C>(ctx: Context, carrier: C, getter: TextMapGetter<C> = defaultTextMapGetter): Context {
    if (markProbe(ctx, 'propagator')) return ctx;
    return setWorkflowContext(ctx, workflowOfCarrier(carrier, getter, this.#trust));
  }

  inject<C>(ctx: Context, carrier: C, setter: TextMapSetter<C>): void {
    const outbound = this.#outbound;
    if (outbound === undefined || this.#misnamed?.active || isTracingSuppressed(ctx) || isInjectionOff(ctx)) return;
    try {
      const host = clientHost(trace.getSpan(ctx));
      if (host !== undefined && outbound.allows(host) && hostHeaderAllowed(carrier, outbound.allows))
        writeHeaders(workflowOf(ctx).workflow, outbound, carrier, setter);
    } catch (error) {
      logger.error('workflow headers were not written:', error); // I5
    }
  }

  fields(): string[] {
    return WORKFLOW_FIELDS.map(({ header }) => header);
  }

  /** Stops listening to the HTTP server and client, and takes its options back. */
  shutdown(): void {
    this.#unwatchRequests?.();
    this.#misnamed?.close();
    const state = processState();
    if (state.outbound === this.#outbound) state.outbound = undefined;
    if (state.trustInbound === this.#trust) state.trustInbound = true;
  }
}

/**
 * The host that a client span goes to. `inject` is given no URL, so the span is asked; its two answers must agree, because
 * an attribute length limit can cut one attacker's host into an allowed one.
 */
function clientHost(span: Span | undefined): string | undefined {
  if (!span?.isRecording()) return undefined;
  const { kind, attributes } = span as { kind?: SpanKind; attributes?: Attributes };
  if (kind !== SpanKind.CLIENT || attributes === undefined) return undefined;
  const host = canonicalHost(attributes['server.address']);
  return host === hostOfUrl(attributes['url.full']) ? host : undefined;
}

/**
 * A `Host` header of the caller's own must name an allowed host as well. What is asked of a proxy names its target there, and
 * HTTP instrumentation leaves the target out of `url.full` where it has a query.
 */
function hostHeaderAllowed(carrier: unknown, allows: HostMatcher): boolean {
  return carrierGetter.keys(carrier).every((name) => {
    if (name.toLowerCase() !== 'host') return true;
    const host = hostOfUrl(`http://${String(carrierGetter.get(carrier, name))}`);
    return host !== undefined && allows(host);
  });
}
