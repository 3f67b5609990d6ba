import { log } from '../diagnostics.ts';
import type { AuditPipeline } from '../audit-pipeline.ts';

/** How long the shutdown of a tracer provider may wait for the ledger. The pipeline has a deadline of its own after it. */
export const SHUTDOWN_FLUSH_MS = 5_000;

/** Waits for what has been emitted; says so where that was not long enough. Never rejects. */
export async function flushPipeline(pipeline: AuditPipeline, deadlineMs?: number): Promise<void> {
  if (await pipeline.flush(deadlineMs)) return;
  log.warn('flushed in part: the deadline came before the last events were stored');
}
