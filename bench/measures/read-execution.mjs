// How long it takes to read and verify the events of one execution out of a large ledger, against out of a small one.
import { connectNats, readAudit } from '@spanledger/jetstream';
import { verify } from '@spanledger/ledger';
import { sha256 } from '../events.mjs';
import { input, report } from '../measure.mjs';
import { median } from '../statistics.mjs';

const READS = 21;

const large = await connectNats({ servers: input.large });
const small = await connectNats({ servers: input.small });
const times = { large: [], small: [] };
for (let i = 0; i < READS; i += 1) {
  times.large.push(await read(large));
  times.small.push(await read(small));
}
await large.close();
await small.close();
report({ largeMs: median(times.large), smallMs: median(times.small) });

async function read(connection) {
  const startedMs = performance.now();
  const { stream, wanted: execution, events } = input;
  const result = await verify(readAudit(connection, { stream, execution }), { sha256, execution });
  if (result.events !== events) throw new Error(`read ${result.events} events of ${events}`);
  return performance.now() - startedMs;
}
