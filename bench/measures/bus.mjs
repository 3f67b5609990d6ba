// What an event on the bus costs until all subscribers have had it, beside emitters that call listeners at once, copy
// nothing, hold nothing and have no order but their own.
import { EventEmitter } from 'node:events';
import { randomUUID } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { createEventBus } from '@spanledger/audit/bus';
import { EventEmitter as EventEmitter3 } from 'eventemitter3';
import { Subject } from 'rxjs';
import { input, report } from '../measure.mjs';
import { median } from '../statistics.mjs';

/** Events in one turn of the event loop: fewer than a subscriber's buffer, so none is dropped. */
const PER_TURN = 100;
const SUBSCRIBERS = [0, 1, 100];
const TASK = randomUUID();

const CANDIDATES = {
  ours(listeners) {
    const bus = createEventBus();
    for (const listener of listeners) void bus.subscribe({ taskId: TASK }).forEach(({ event }) => listener(event));
    return { publish: (event) => bus.publish(event), stop: () => bus.close() };
  },
  eventEmitter: (listeners) => emitter(new EventEmitter().setMaxListeners(0), listeners),
  /** The least that hides what the publisher changes afterwards. */
  cloning(listeners) {
    const { publish, stop } = emitter(new EventEmitter().setMaxListeners(0), listeners);
    return { publish: (event) => publish(structuredClone(event)), stop };
  },
  eventEmitter3: (listeners) => emitter(new EventEmitter3(), listeners),
  rxjs(listeners) {
    const subject = new Subject();
    for (const listener of listeners) subject.subscribe(listener);
    return { publish: (event) => subject.next(event), stop: () => subject.complete() };
  },
};

function emitter(events, listeners) {
  for (const listener of listeners) events.on(TASK, listener);
  return { publish: (event) => events.emit(TASK, event), stop: () => events.removeAllListeners() };
}

const bySubscribers = {};
for (const subscribers of SUBSCRIBERS) bySubscribers[subscribers] = await compare(subscribers);
report(bySubscribers);

/** In turn, round by round, so that a change of the machine's speed meets all; the first quarter warms up. */
async function compare(subscribers) {
  // Whole turns, and fewer where each event is a hundred.
  const turns = Math.ceil(input.count / (subscribers > 1 ? 10 : 1) / PER_TURN);
  const count = turns * PER_TURN;
  const rounds = [];
  for (let round = 0; round < input.rounds; round += 1) {
    const costs = {};
    for (const name of Object.keys(CANDIDATES)) costs[name] = await perEvent(name, subscribers, count);
    rounds.push(costs);
  }
  const counted = rounds.slice(Math.floor(input.rounds / 4));
  const of = (name, figure) => median(counted.map((costs) => costs[name][figure]));
  return Object.fromEntries(
    Object.keys(CANDIDATES).map((name) => [name, { us: of(name, 'us'), publishUs: of(name, 'publishUs') }]),
  );
}

/** CPU until all is delivered, and the time that the publisher itself is held, in microseconds for one event. */
async function perEvent(name, subscribers, count) {
  let heard = 0;
  const listener = (event) => {
    if (event.seq > 0) heard += 1;
  };
  // Each its own function, as listeners are.
  const { publish, stop } = CANDIDATES[name](Array.from({ length: subscribers }, () => (event) => listener(event)));
  const run_id = randomUUID();
  let publishNs = 0n;
  const cpu = process.cpuUsage();
  for (let seq = 1; seq <= count;) {
    const started = process.hrtime.bigint();
    for (let i = 0; i < PER_TURN; i += 1) publish(auditEvent(run_id, seq++));
    publishNs += process.hrtime.bigint() - started;
    await turn();
  }
  const { user, system } = process.cpuUsage(cpu);
  stop();
  if (heard !== subscribers * count) throw new Error(`${name}: ${heard} events were heard`);
  return { us: (user + system) / count, publishUs: Number(publishNs) / 1e3 / count };
}

function auditEvent(run_id, seq) {
  return {
    ts: '2026-01-01T00:00:00.000000Z',
    event: 'tool_exec',
    schema_version: '1.0',
    producer: 'bench',
    task_id: TASK,
    run_id,
    seq,
    correlation_id: run_id,
    session_id: 'session',
    entity_type: 'agent',
    duration_ms: 12,
    fields: { tool: 'search', status: 'ok', results: 7 },
  };
}
