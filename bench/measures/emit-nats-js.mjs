// Acknowledged events per second of nats.js `js.publish` from objects: JSON of the same size and a message id, at the best of
// several windows. No chain, no hash, no journal.
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { encodeSubject } from '@spanledger/protocol';
import { plainEvents } from '../events.mjs';
import { fastest, input, pipelined, report } from '../measure.mjs';

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

report(await fastest(input, (count) => count, publish));
