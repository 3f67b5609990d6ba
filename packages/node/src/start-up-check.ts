import { logs } from '@opentelemetry/api-logs';
import { core } from '@opentelemetry/sdk-node';
import { probePipeline } from '@spanledger/otel';
import { SpanledgerError } from '@spanledger/protocol';
import { logger } from './diagnostics.ts';
import type { ResolvedConfig } from './resolve-config.ts';

/** What each missing part means for whoever must repair it. */
const MISSING = {
  recording: 'no span is recorded',
  sampler: 'the outermost sampler is not a WorkflowSampler, so unsampled spans are not audited',
  spanProcessor: 'WorkflowSpanProcessor is not registered, so spans carry no workflow identity',
  auditProcessor: 'AuditSpanProcessor is not registered, so no span becomes an audit event',
  propagator: 'WorkflowPropagator is not registered, so workflow headers are neither read nor written',
} as const;

const NO_CONTENT_OF_LOGS =
  'transcripts: GenAiContentProcessor is not the first processor of the logger provider in use, so content in log records is not stored';

/**
 * @returns whether to go on without a ledger, said aloud.
 * @throws SpanledgerError `SPANLEDGER_DISABLED` unless `allowDisabled`
 */
export function goOnDisabled(allowDisabled: boolean): boolean {
  if (!core.getBooleanFromEnv('OTEL_SDK_DISABLED')) return false;
  report('OTEL_SDK_DISABLED is true, so nothing is traced or audited', allowDisabled);
  return true;
}

/**
 * Sends a probe through what is registered with the OpenTelemetry API.
 *
 * @throws SpanledgerError `SPANLEDGER_DISABLED` if a part of ours is not in it, unless `allowDisabled`
 */
export function checkParts({ allowDisabled, transcripts }: ResolvedConfig): void {
  const probe = probePipeline((context) => void logs.getLogger('@spanledger/node').enabled({ context }));
  if (transcripts?.spans !== undefined && !probe.contentProcessor) logger.warn(NO_CONTENT_OF_LOGS);
  const missing = Object.entries(MISSING).filter(([part]) => !probe[part as keyof typeof MISSING]);
  if (missing.length === 0) return;
  const all = missing.map(([, text]) => text).join('; ');
  report(
    `${all}. Another OpenTelemetry SDK was registered first: give it withSpanledger(config) instead`,
    allowDisabled,
  );
}

function report(message: string, allowed: boolean): void {
  if (!allowed) throw new SpanledgerError('SPANLEDGER_DISABLED', `${message} (\`allowDisabled\` goes on without)`);
  logger.warn(message);
}
