import type { NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import { compileRules, createAuditPipeline, registerPipeline } from '@spanledger/audit';
import type { AuditPipeline } from '@spanledger/audit';
import { openLedger } from './open-ledger.ts';
import type { ResolvedConfig } from './resolve-config.ts';
import { addParts } from './sdk-parts.ts';

/** Everything that `start` and `withSpanledger` make, in place. */
export interface Assembly {
  readonly pipeline: AuditPipeline;
  /** Name of the sink. */
  readonly sink: string;
  readonly sdkConfig: Partial<NodeSDKConfiguration>;
  /** Takes it all back, for a start that fails later. */
  readonly undo: () => void;
}

/**
 * Ledger, pipeline, and an SDK configuration that feeds it.
 *
 * @throws SpanledgerError for what is wrong with the configuration, or `SPANLEDGER_STARTED`; nothing is left open then.
 */
export function assemble(config: ResolvedConfig, sdkConfig: Partial<NodeSDKConfiguration>): Assembly {
  const sink = openLedger(config);
  let unregister: (() => void) | undefined;
  const undo = (): void => {
    unregister?.();
    void sink.close(0);
  };
  try {
    const pipeline = createAuditPipeline({
      sink,
      producer: config.producer,
      agentVersion: config.agentVersion,
      orgId: config.orgId,
      workspaceId: config.workspaceId,
      lifecycle: compileRules(config.audit).lifecycle ? 'always' : 'with-events',
      ...(config.nats?.subject !== undefined && { subject: config.nats.subject }),
      ...(config.queueMaxBytes !== undefined && { queueMaxBytes: config.queueMaxBytes }),
      ...(config.eventMaxBytes !== undefined && { eventMaxBytes: config.eventMaxBytes }),
    });
    unregister = registerPipeline(pipeline);
    return { pipeline, sink: sink.name, sdkConfig: addParts(config, pipeline, sdkConfig), undo };
  } catch (error) {
    undo();
    throw error;
  }
}
