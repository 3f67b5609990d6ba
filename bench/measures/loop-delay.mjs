// How late the event loop is while events come at a rate: through the whole pipeline, or, as the baseline, only made JSON of.
//
// What `monitorEventLoopDelay` tells contains the millisecond that its own timer waits, what the service itself does in a tick
// (fifty events at 50,000 a second, and up to twenty times that after a late one), and whatever else runs on the machine's cores:
// the server among it.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { plainEvents } from '../events.mjs';
import { input, report } from '../measure.mjs';
import { forSeconds, offer } from '../pace.mjs';
import { startService } from '../service.mjs';

const NS_PER_MS = 1e6;

const service = input.baseline ? undefined : await startService(input);
const record = service?.record ?? jsonOfPlainEvents();
await offer(input.perSecond, forSeconds(input.warmupSeconds), record);
await service?.pipeline.flush();

const delays = monitorEventLoopDelay({ resolution: 1 });
delays.enable();
const offeredPerSecond = await offer(input.perSecond, forSeconds(input.seconds), record);
delays.disable();

const isFlushed = await service?.pipeline.flush();
if (isFlushed === false) throw new Error('the events were not acknowledged within 30 s');
await service?.stop();
report({
  offeredPerSecond,
  p50Ms: delays.percentile(50) / NS_PER_MS,
  p99Ms: delays.percentile(99) / NS_PER_MS,
  maxMs: delays.max / NS_PER_MS,
});

function jsonOfPlainEvents() {
  const next = plainEvents();
  return (i) => JSON.stringify(next(i));
}
