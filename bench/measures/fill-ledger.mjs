// Puts a ledger into a stream: sealed runs of ten events, a hundred of them at a time, and in its middle some of one execution.
import { randomUUID } from 'node:crypto';
import { connectNats, ensureStream, jetStreamSink } from '@spanledger/jetstream';
import { createChain, encodeSubject, seal } from '@spanledger/protocol';
import { sha256 } from '../events.mjs';
import { input, report } from '../measure.mjs';

const PER_RUN = 10;
const AT_ONCE = 100;
const IN_FLIGHT_MAX = 8_192;
const NAMES = ['invocation_started', ...Array.from({ length: PER_RUN - 2 }, () => 'tool_exec'), 'invocation_complete'];
const PAD = 'x'.repeat(150);

const connection = await connectNats({ servers: input.url });
await ensureStream(connection, { stream: input.stream });
const sink = jetStreamSink({ connection, stream: input.stream });
const runs = input.events / PER_RUN;
const wantedFrom = Math.floor(runs / 2);
let inFlight = 0;
let wake = () => {};

for (let first = 0; first < runs; first += AT_ONCE) {
  const group = Array.from({ length: Math.min(AT_ONCE, runs - first) }, (_, i) => newRun(first + i));
  for (const name of NAMES) {
    for (const run of group) await write(run, name);
  }
}
while (inFlight > 0) await new Promise((resolve) => (wake = resolve));
await sink.close();
await connection.close();
report({ events: input.events });

function newRun(index) {
  const isWanted = index >= wantedFrom && index < wantedFrom + input.wantedRuns;
  const executionId = isWanted ? input.wanted : `execution-${index}`;
  const identity = { workflow_id: 'bench', workflow_execution_id: executionId };
  const subject = encodeSubject({ workflowId: 'bench', executionId, producer: 'bench' });
  return { chain: createChain(randomUUID()), identity, subject };
}

async function write({ chain, identity, subject }, event) {
  const draft = { ts: '2026-01-01T00:00:00.000000Z', event, producer: 'bench', ...identity, fields: { pad: PAD } };
  const sealed = seal(chain, draft, subject, sha256);
  inFlight += 1;
  void sink.writeEvent(sealed).then(() => {
    inFlight -= 1;
    wake();
  });
  while (inFlight >= IN_FLIGHT_MAX) await new Promise((resolve) => (wake = resolve));
}
