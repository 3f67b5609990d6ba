// Verified events per second, read from JetStream, and the most memory that it took.
import { connectNats, readAudit } from '@spanledger/jetstream';
import { verify } from '@spanledger/ledger';
import { sha256 } from '../events.mjs';
import { input, report, timed } from '../measure.mjs';

const KIB_PER_MB = 1_000_000 / 1_024;

const connection = await connectNats({ servers: input.url });
let result;
const { seconds } = await timed(async () => {
  result = await verify(readAudit(connection, { stream: input.stream }), { sha256 });
});
if (!result.verified || result.events !== input.events) throw new Error(`verified ${result.events} events`);
report({
  perSecond: input.events / seconds,
  peakMb: process.resourceUsage().maxRSS / KIB_PER_MB,
  runs: result.runs.length,
});
