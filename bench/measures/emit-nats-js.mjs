// Acknowledged events per second of nats.js `js.publish` from objects: JSON of the same size and a message id, at the best of
// several windows. No chain, no hash, no journal.
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { encodeSubject } from '@spanledger/protocol';
import { plainEvents } from '../events.mjs';
import { input, pipelined, report, timed } from '../measure.mjs';

const js = jetstream(await connect({ servers: input.url }));
const next = plainEvents();
const subjects = new Map();
const subjectOf = ({ workflow_id: workflowId, workflow_execution_id: executionId, producer }) => {
  let subject = subjects.get(executionId);
  if (subject === undefined)
    subjects.set(executionId, (subject = encodeSubject({ workflowId, executionId, producer })));
  return subject;
};
const publish = (count, windowMax) =>
  pipelined(count, windowMax, (i) => {
    const event = next(i);
    return js.publish(subjectOf(event), JSON.stringify(event), {
      msgID: `${event.run_id}:${event.seq}`,
      expect: { streamName: input.stream },
    });
  });

let best;
for (const windowMax of input.windows) {
  await publish(input.warmup, windowMax);
  const { seconds, cpuSeconds } = await timed(() => publish(input.count, windowMax));
  const perSecond = input.count / seconds;
  if (best === undefined || perSecond > best.perSecond) {
    best = { perSecond, cpuUs: (cpuSeconds / input.count) * 1e6, windowMax };
  }
}
report(best);
