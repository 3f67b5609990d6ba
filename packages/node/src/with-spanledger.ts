import type { NodeSDKConfiguration } from '@opentelemetry/sdk-node';
import { assemble } from './assemble.ts';
import { CONFIG_KEYS } from './config.ts';
import type { SpanledgerConfig } from './config.ts';
import { logger, showOwnWarnings } from './diagnostics.ts';
import { publishHandle, publishInertHandle, refuseSecondStart } from './handle.ts';
import { IN_HOOKS_THREAD } from './hooks-thread.ts';
import { serviceFromEnv, serviceFromResource } from './otel-environment.ts';
import { resolveConfig } from './resolve-config.ts';
import type { ResolvedConfig, Service } from './resolve-config.ts';
import { checkRuntime } from './check-runtime.ts';
import { checkParts, goOnDisabled } from './start-up-check.ts';

/** An application may need a while between making its configuration and starting its SDK. */
const CHECK_AFTER_MS = 10_000;

/**
 * For an application that has a `NodeSDK`: `new NodeSDK(withSpanledger(config, sdkConfig)).start()`.
 *
 * Adds our sampler (around the one that is there), span processors and propagator to what `sdkConfig` says, or to what the
 * environment means where it says nothing. Exporters, processors, propagators and instrumentations that were there stay,
 * and `http` and `undici` instrumentation is the application's to have. Ledger and pipeline are made here; they end
 * with the process, see `flush`.
 *
 * @throws SpanledgerError as `start` does. That the SDK was never started is logged after ten seconds.
 */
export function withSpanledger(
  config: SpanledgerConfig = {},
  sdkConfig: Partial<NodeSDKConfiguration> = {},
): Partial<NodeSDKConfiguration> {
  checkRuntime();
  refuseSecondStart();
  showOwnWarnings();
  const resolved = resolveConfig(config, CONFIG_KEYS, serviceOf(sdkConfig), process.env);
  const { producer, shutdownTimeoutMs, allowDisabled } = resolved;
  if (IN_HOOKS_THREAD || goOnDisabled(allowDisabled)) {
    publishInertHandle(producer);
    return sdkConfig;
  }
  const { pipeline, journal, sdkConfig: added } = assemble(resolved, sdkConfig);
  publishHandle({ pipeline, journal, timeoutMs: shutdownTimeoutMs });
  setTimeout(checkLater, CHECK_AFTER_MS, resolved).unref();
  return added;
}

/** As NodeSDK decides: its option, then the environment, then the resource it is given. */
function serviceOf({ serviceName, resource }: Partial<NodeSDKConfiguration>): Service {
  const [fromEnv, fromResource] = [serviceFromEnv(), serviceFromResource(resource)];
  return { name: serviceName ?? fromEnv.name ?? fromResource.name, version: fromEnv.version ?? fromResource.version };
}

function checkLater(resolved: ResolvedConfig): void {
  try {
    checkParts(resolved);
  } catch (error) {
    logger.error('the SDK that was made with withSpanledger() is not the one that is in use:', error); // I5
  }
}
