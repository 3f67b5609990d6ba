import type { NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import { compileRules, createAuditPipeline, createKeyRing, registerPipeline } from '@spanledger/audit';
import type { AuditPipeline, Journal, SigningKeys } from '@spanledger/audit';
import { logger } from './diagnostics.ts';
import { openAttempts } from './open-attempts.ts';
import { openOwnJournal } from './open-journal.ts';
import { openLedger } from './open-ledger.ts';
import { NatsConnector } from './open-nats.ts';
import type { ResolvedConfig } from './resolve-config.ts';
import { addParts } from './sdk-parts.ts';

/** Everything that `start` and `withSpanledger` make, in place. */
export interface Assembly {
  readonly pipeline: AuditPipeline;
  readonly journal: Journal | undefined;
  readonly sdkConfig: Partial<NodeSDKConfiguration>;
  /** Takes it all back, for a start that fails later. */
  readonly undo: () => void;
}

/**
 * Ledger, journal, pipeline, and an SDK configuration that feeds it.
 *
 * @throws SpanledgerError for what is wrong with the configuration, or `SPANLEDGER_STARTED`; nothing is left open then.
 */
export function assemble(config: ResolvedConfig, sdkConfig: Partial<NodeSDKConfiguration>): Assembly {
  const { pipeline, journal } = openPipeline(config);
  let unregister: (() => void) | undefined;
  const undo = (): void => {
    unregister?.();
    void pipeline.shutdown(0);
  };
  try {
    unregister = registerPipeline(pipeline);
    return { pipeline, journal, sdkConfig: addParts(config, pipeline, sdkConfig), undo };
  } catch (error) {
    undo();
    throw error;
  }
}

/** The pipeline owns ledger, journal, attempts and keys, and closes them, from the moment that there is one. */
function openPipeline(config: ResolvedConfig): Pick<Assembly, 'pipeline' | 'journal'> {
  const connector = new NatsConnector(config.producer);
  const sink = openLedger(config, connector);
  let journal: Journal | undefined;
  let keys: SigningKeys | undefined;
  const attempts = openAttempts(config, connector);
  try {
    keys = config.signing && (config.signing.keys ?? createKeyRing(config.signing.ring ?? {}));
    journal = openOwnJournal(config);
    const pipeline = createAuditPipeline({
      sink,
      journal,
      attempts,
      bus: config.bus,
      producer: config.producer,
      signing: config.signing && keys && { mode: config.signing.mode, keys },
      redaction: config.redaction,
      transcripts: config.transcripts?.spans,
      envelope: config.envelope,
      agentVersion: config.agentVersion,
      orgId: config.orgId,
      workspaceId: config.workspaceId,
      lifecycle: compileRules(config.audit).lifecycle ? 'always' : 'with-events',
      ...(config.nats?.subject !== undefined && { subject: config.nats.subject }),
      ...(config.queueMaxBytes !== undefined && { queueMaxBytes: config.queueMaxBytes }),
      ...(config.eventMaxBytes !== undefined && { eventMaxBytes: config.eventMaxBytes }),
    });
    return { pipeline, journal };
  } catch (error) {
    keys?.close?.();
    void sink.close(0);
    void attempts?.close?.();
    journal?.close().catch((problem: unknown) => logger.warn('the unused journal could not be removed:', problem));
    throw error;
  }
}
