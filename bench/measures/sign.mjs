// What signing adds to an event, from `audit.emit` to a sink in memory: checkpoints alone, and each event.
import { generateKeyPairSync } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { createKeyRing } from '@spanledger/audit';
import { input, report } from '../measure.mjs';
import { prepare, startInMemory } from '../service.mjs';
import { median } from '../statistics.mjs';

/** Events in one turn of the event loop, as many messages are handled at once. */
const PER_TURN = 100;
const MODES = [undefined, 'checkpoint', 'event'];

const padding = await prepare();
const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
const rounds = [];
// All in turn, round by round, so that a change of the machine's speed meets all.
for (let round = 0; round < input.rounds; round += 1) {
  const costs = {};
  for (const mode of MODES) costs[mode ?? 'off'] = await perEventUs(mode);
  rounds.push(costs);
}
const counted = rounds.slice(Math.floor(input.rounds / 4));
const of = (pick) => median(counted.map(pick));
report({
  unsignedUs: of(({ off }) => off),
  checkpointAddedUs: of(({ off, checkpoint }) => checkpoint - off),
  eventAddedUs: of(({ off, event }) => event - off),
});

async function perEventUs(mode) {
  const signing = mode && { mode, keys: createKeyRing({ key }) };
  const { pipeline, record, stop } = await startInMemory(padding, signing);
  const started = process.cpuUsage();
  for (let i = 0; i < input.count; i += 1) {
    record(i);
    if (i % PER_TURN === PER_TURN - 1) await turn();
  }
  await pipeline.flush();
  const { user, system } = process.cpuUsage(started);
  if (pipeline.health().losses.events > 0) throw new Error('events were lost');
  await stop();
  return (user + system) / input.count;
}
