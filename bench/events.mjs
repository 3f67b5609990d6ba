// The events that the publishers publish: sealed, 600 bytes each, in a hundred runs.
import { createHash, randomUUID } from 'node:crypto';
import { createChain, encodeSubject, seal } from '@spanledger/protocol';

const EVENT_BYTES = 600;
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

export function sealedEvents(count, runs = 100, eventBytes = EVENT_BYTES) {
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
