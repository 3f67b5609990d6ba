// The events of the measures: 600 bytes each, in a hundred runs; sealed, or as an application would make them itself.
import { hash, randomUUID } from 'node:crypto';
import { createChain, encodeSubject, seal } from '@spanledger/protocol';

export const EVENT_BYTES = 600;
export const RUNS = 100;
export const sha256 = (bytes) => hash('sha256', bytes, 'hex');

export function sealedEvents(count, runs = RUNS, eventBytes = EVENT_BYTES) {
  const chains = Array.from({ length: runs }, () => createChain(randomUUID()));
  const subjects = chains.map((chain) => subjectOf(chain.runId));
  return Array.from({ length: count }, (_, i) => {
    const chain = chains[i % runs];
    const draft = { ts: '2026-01-01T00:00:00.000000Z', event: 'tool_exec', producer: 'bench', fields: { pad: '' } };
    const bare = JSON.stringify(draft).length + JSON.stringify(envelope(chain)).length;
    draft.fields.pad = 'x'.repeat(eventBytes - bare + 1);
    return seal(chain, draft, subjects[i % runs], sha256);
  });
}

const subjectOf = (executionId) => encodeSubject({ workflowId: 'bench', executionId, producer: 'bench' });

const envelope = (chain) => ({
  schema_version: '1.0',
  run_id: chain.runId,
  seq: chain.seq + 1,
  prev_hash: chain.head,
  correlation_id: chain.runId,
});

/** @returns what makes the next event, with nothing that a ledger adds: no chain, no hash. */
export function plainEvents() {
  const runs = Array.from({ length: RUNS }, (_, i) => ({ runId: randomUUID(), executionId: `execution-${i}`, seq: 0 }));
  const next = (run, pad) => ({
    ts: new Date().toISOString(),
    event: 'tool_exec',
    producer: 'bench',
    run_id: run.runId,
    seq: (run.seq += 1),
    workflow_id: 'bench',
    workflow_execution_id: run.executionId,
    duration_ms: 12,
    fields: { tool: 'search', call_id: 'call-1', pad },
  });
  const pad = 'x'.repeat(EVENT_BYTES - JSON.stringify(next(runs[0], '')).length);
  return (i) => next(runs[i % RUNS], pad);
}
