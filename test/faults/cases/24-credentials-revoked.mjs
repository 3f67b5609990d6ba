// The producer's user is denied, for minutes: first it is the same one that is let in again, then another one, whose key
// takes the place of the first in the credentials file. It waits, and goes on without a restart.
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { startProducer } from '../lib/producer-process.mjs';
import { openStreamAdmin } from '../lib/stream-admin.mjs';
import { pause, waitFor } from '../lib/wait.mjs';

const DENIALS_MIN = 3;
const RESUME_MAX_MS = 10_000;

export default {
  number: 24,
  title: 'credentials revoked, restored, rotated',
  quick: true,
  minimum: { quick: { offered: 10_000, faults: 2 }, full: { offered: 400_000, faults: 2 } },

  async run(context) {
    const deniedMs = context.quick ? 5_000 : 90_000;
    const credsFile = path.join(context.directory, 'producer.creds');
    const [first, second] = [nkeys.createUser(), nkeys.createUser()];
    const server = context.own(await startNats({ config: usersWith(first) }));
    const stream = await openStreamAdmin(context, server.url);
    await stream.create({});
    writeFileSync(credsFile, credentialsOf(first));
    const producer = await startProducer(context, { servers: server.url, nats: { credsFile } });
    const resumedMs = [];
    const denials = [];

    await pause(context, 500);
    await untilDenied();
    await server.reload(usersWith(first));
    await resumed('restored');

    await untilDenied();
    await server.reload(usersWith(second));
    await pause(context, 2_000);
    // It is read while it is written, too.
    writeFileSync(credsFile, credentialsOf(second).slice(0, 200));
    await pause(context, 1_500);
    writeFileSync(credsFile, credentialsOf(second));
    await resumed('rotated');

    await producer.finish();
    const figures = await account({ servers: server.url, producers: [producer] });
    const slowest = Math.max(...resumedMs);
    if (slowest > RESUME_MAX_MS && !context.quick) figures.problems.push(`it took ${slowest} ms to resume`);
    Object.assign(figures.notes, {
      denied_s: (2 * deniedMs) / 1000,
      denials: Math.min(...denials),
      resume_max_ms: slowest,
    });
    return { faults: denials.length, ...figures };

    /** Everybody else is let in. */
    async function untilDenied() {
      await server.reload(usersWith());
      await pause(context, deniedMs);
      const count = () => server.log.split('authentication error').length - 1;
      await waitFor(
        () => 'the producer does not come back',
        () => count() >= DENIALS_MIN,
        context,
      );
      denials.push(count());
    }

    async function resumed(what) {
      const startedMs = performance.now();
      const { last_seq: before } = (await stream.info()).state;
      await waitFor(
        () => `nothing is stored after it was ${what}\n${producer.stderr}`,
        async () => (await stream.info())?.state.last_seq > before,
        context,
      );
      resumedMs.push(performance.now() - startedMs);
      await producer.drained();
      context.progress(what);
    }
  },
};

/** Who gives no credentials is the administrator; who gives others is refused. */
function usersWith(...producers) {
  // The server asks for keys only where there are any.
  const keys = [nkeys.createUser(), ...producers].map((user) => `{ nkey: ${user.getPublicKey()} }`);
  const users = ['{ user: admin, password: admin }', ...keys];
  return `authorization { users: [ ${users.join(', ')} ] }\nno_auth_user: admin`;
}

/** A credentials file. This server looks at the key alone, and lets the token be what it is. */
function credentialsOf(user) {
  const seed = new TextDecoder().decode(user.getSeed());
  const token = 'eyJ0eXAiOiJKV1QiLCJhbGciOiJlZDI1NTE5LW5rZXkifQ.e30.c2lnbmF0dXJl'.padEnd(200, 'A');
  return ['USER JWT', token, 'USER NKEY SEED', seed]
    .map((text, i) => (i % 2 === 0 ? `-----BEGIN NATS ${text}-----\n` : `${text}\n------END NATS------\n\n`))
    .join('');
}
