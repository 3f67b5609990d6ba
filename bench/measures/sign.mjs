// What signing adds to an event, from `audit.emit` to a sink in memory: checkpoints alone, and each event.
import { generateKeyPairSync } from 'node:crypto';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createKeyRing } from '@spanledger/audit';
import { input, report } from '../measure.mjs';
import { prepare, startInMemory } from '../service.mjs';
import { median } from '../statistics.mjs';

/** Events in one turn of the event loop, as many messages are handled at once. */
const PER_TURN = 100;

const padding = await prepare();
const key = generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' });
setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc');
const checkpoint = await inTurn('checkpoint');
const event = await inTurn('event');
report({ unsignedUs: checkpoint.unsignedUs, checkpointAddedUs: checkpoint.addedUs, eventAddedUs: event.addedUs });

/** Without and with, round by round, each first in half of them, so that a change of the machine's speed meets both. */
async function inTurn(mode) {
  const rounds = [];
  for (let round = 0; round < input.rounds; round += 1) {
    const costs = {};
    for (const one of round % 2 === 0 ? ['off', mode] : [mode, 'off']) costs[one] = await perEventUs(one);
    rounds.push(costs);
  }
  const counted = rounds.slice(Math.floor(input.rounds / 4));
  return {
    unsignedUs: median(counted.map(({ off }) => off)),
    addedUs: median(counted.map((costs) => costs[mode] - costs.off)),
  };
}

async function perEventUs(mode) {
  const signing = mode === 'off' ? undefined : { mode, keys: createKeyRing({ key }) };
  const { pipeline, record, stop } = await startInMemory(padding, signing);
  collectGarbage();
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
