import { context } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { createAuditPipeline, getPipeline, registerPipeline } from '../src/index.ts';
import type { AuditPipeline, AuditPipelineOptions } from '../src/index.ts';

/**
 * For the tests of one file: a context that follows promises, and a pipeline that the application's calls find.
 *
 * `begin` makes and registers one; `leave` takes it back; after each test it is taken back and shut down.
 */
export function registeredPipelines() {
  let unregister = (): void => {};
  const leave = (): void => unregister();
  const begin = (options: Omit<AuditPipelineOptions, 'producer'>): AuditPipeline => {
    const pipeline = createAuditPipeline({ producer: 'svc', ...options });
    unregister = registerPipeline(pipeline);
    return pipeline;
  };
  beforeAll(() => void context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable()));
  afterAll(() => context.disable());
  afterEach(async () => {
    const pipeline = getPipeline();
    leave();
    await pipeline?.shutdown(2_000);
  });
  return { begin, leave };
}
