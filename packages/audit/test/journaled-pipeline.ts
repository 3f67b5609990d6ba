import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { AuditEventDraft, AuditSink } from '@spanledger/protocol';
import { afterEach } from 'vitest';
import { createAuditPipeline, openJournal } from '../src/index.ts';
import type { AuditPipeline, AuditPipelineOptions, Journal, JournalOptions, MemorySink } from '../src/index.ts';
import { eventsOf } from './support.ts';

const closers: (() => Promise<unknown>)[] = [];

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close();
});

/** Removed after the test. */
export function newDirectory(): string {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'delivery-'));
  closers.push(async () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

export function journalIn(directory: string, options: Partial<JournalOptions> = {}): Journal {
  return openJournal({ producer: 'svc', directory, ...options });
}

/** Shut down after the test. */
export function pipelineWith(options: Partial<AuditPipelineOptions> & { sink: AuditSink }): AuditPipeline {
  const pipeline = createAuditPipeline({ producer: 'svc', ...options });
  closers.push(() => pipeline.shutdown(100));
  return pipeline;
}

export function namesOf(sink: MemorySink): string[] {
  return eventsOf(sink).map(({ event }) => event);
}

/** An event of a dead process. */
export function draft(event: string): AuditEventDraft {
  return {
    ts: '2026-01-01T00:00:00.000000Z',
    event,
    producer: 'svc',
    workflow_execution_id: 'exec',
    entity_type: 'agent',
    entity_id: 'svc',
  };
}
