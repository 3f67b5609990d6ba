import { HTTP_CAME_FIRST } from './loaded-before.ts'; // First: everything below loads http.
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http';
import { UndiciInstrumentation } from '@opentelemetry/instrumentation-undici';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { assemble } from './assemble.ts';
import { checkRuntime } from './check-runtime.ts';
import { CONFIG_KEYS } from './config.ts';
import type { StartConfig } from './config.ts';
import { logger, showOwnWarnings } from './diagnostics.ts';
import { publishHandle, publishInertHandle, refuseSecondStart } from './handle.ts';
import type { SpanledgerHandle } from './handle.ts';
import { IN_HOOKS_THREAD } from './hooks-thread.ts';
import { hookImports, patchLoadedHttp } from './load-hooks.ts';
import { exportersNotAskedFor, serviceFromEnv } from './otel-environment.ts';
import { resolveConfig } from './resolve-config.ts';
import { checkParts, goOnDisabled } from './start-up-check.ts';

/**
 * Starts tracing and the audit ledger in this process. To be called in a file of its own, which is loaded before the
 * application: `node --import ./spanledger.mjs server.js`.
 *
 * It waits for no network: where NATS is down, events are queued until it is there.
 *
 * @throws SpanledgerError `SPANLEDGER_OPTION`, `SPANLEDGER_PRODUCER`, `SPANLEDGER_STARTED`, `SPANLEDGER_DISABLED`,
 * `SPANLEDGER_RUNTIME`, `SPANLEDGER_SINK`, `SPANLEDGER_JOURNAL`. Whatever happens after it has returned is not thrown (I5).
 */
export async function start(config: StartConfig = {}): Promise<SpanledgerHandle> {
  return startNow(config);
}

/** The same in one turn, so that nothing of the application is loaded in between. */
export function startNow(config: StartConfig): SpanledgerHandle {
  checkRuntime();
  refuseSecondStart();
  showOwnWarnings();
  const service = serviceFromEnv();
  const resolved = resolveConfig(config, [...CONFIG_KEYS, 'instrumentations'], service, process.env);
  const { producer, shutdownTimeoutMs, allowDisabled } = resolved;
  if (IN_HOOKS_THREAD || goOnDisabled(allowDisabled)) return publishInertHandle(producer);

  const { pipeline, journal, sdkConfig, undo } = assemble(resolved, {
    ...exportersNotAskedFor(),
    serviceName: service.name ?? producer,
    instrumentations: [new HttpInstrumentation(), new UndiciInstrumentation(), ...(config.instrumentations ?? [])],
  });
  const sdk = new NodeSDK(sdkConfig);
  hookImports();
  sdk.start();
  patchLoadedHttp();
  try {
    checkParts(resolved);
  } catch (error) {
    undo();
    void sdk.shutdown();
    throw error;
  }
  if (HTTP_CAME_FIRST) {
    logger.warn(
      'http was loaded before Spanledger, so libraries loaded before it may not be traced: ' +
        'start it in a file of its own, with node --import',
    );
  }
  return publishHandle({ pipeline, journal, timeoutMs: shutdownTimeoutMs, shutdownSdk: () => sdk.shutdown() });
}
