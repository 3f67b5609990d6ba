// Whoever has a producer's credentials, and no more than the documented permissions, tries to change, remove or read what is
// stored, to write in other names, and to let the server do it for him; and an administrator tries what the stream itself denies.
import { jetstreamManager } from '@nats-io/jetstream';
import { connect, headers } from '@nats-io/transport-node';
import { connectNats, ensureStream } from '@spanledger/jetstream';
import { startNats } from '@spanledger/testkit';
import { startProducer } from '../lib/producer-process.mjs';
import { readStream } from '../lib/read-stream.mjs';
import { accountAmongStrangers } from '../lib/strangers.mjs';
import { waitFor } from '../lib/wait.mjs';

const STREAM = 'AUDIT_EVENTS';
const CONFIG = `
authorization { users: [
  { user: admin, password: admin }
  { user: svc, password: svc, permissions: {
    publish: { allow: ["auditEvent.*.*.svc"] }
    subscribe: { allow: ["_INBOX_svc.>"] }
  } }
] }
no_auth_user: admin`;

/** Of the API, with what an attempt needs to succeed. */
const API = {
  [`STREAM.CREATE.MINE`]: { name: 'MINE', subjects: ['mine.>'] },
  [`STREAM.CREATE.COPY`]: { name: 'COPY', sources: [{ name: STREAM }] },
  [`STREAM.UPDATE.${STREAM}`]: { name: STREAM, subjects: ['auditEvent.>'], max_msgs: 1, discard: 'old' },
  [`STREAM.PURGE.${STREAM}`]: {},
  [`STREAM.DELETE.${STREAM}`]: undefined,
  [`STREAM.MSG.DELETE.${STREAM}`]: { seq: 1 },
  [`STREAM.MSG.GET.${STREAM}`]: { seq: 1 },
  [`DIRECT.GET.${STREAM}`]: { seq: 1 },
  [`STREAM.INFO.${STREAM}`]: undefined,
  'STREAM.NAMES': undefined,
  'STREAM.LIST': undefined,
  INFO: undefined,
  [`STREAM.SNAPSHOT.${STREAM}`]: { deliver_subject: '_INBOX_svc.snapshot' },
  [`STREAM.RESTORE.${STREAM}`]: { config: { name: STREAM }, state: {} },
  [`STREAM.LEADER.STEPDOWN.${STREAM}`]: undefined,
  [`STREAM.PEER.REMOVE.${STREAM}`]: { peer: 'n1' },
  [`CONSUMER.CREATE.${STREAM}`]: { stream_name: STREAM, config: { deliver_subject: '_INBOX_svc.copy' } },
  [`CONSUMER.DURABLE.CREATE.${STREAM}.mine`]: { stream_name: STREAM, config: { durable_name: 'mine' } },
  [`CONSUMER.LIST.${STREAM}`]: undefined,
};
const PUBLISH_ON = [
  'auditEvent',
  'auditEvent.faults.-.other',
  'auditEvent.faults.svc',
  'auditEvent.faults.-.svc.more',
  `$JS.ACK.${STREAM}.mine.1.1.1.1.0`,
  '$SYS.REQ.SERVER.PING',
  '$KV.bucket.key',
  '_INBOX.somebody',
  '_INBOX_other.somebody',
  '_INBOX_svc.1',
];
const SUBSCRIBE_TO = [
  '>',
  'auditEvent.>',
  'auditEvent.*.*.svc',
  '*.*.*.svc',
  '_INBOX.>',
  '_INBOX_other.>',
  '_INBOX_*.>',
  '$JS.>',
  '$SYS.>',
];
/** On a subject that is permitted: the server would do it, with its own rights. */
const HEADERS = { 'Nats-Rollup': 'all', 'Nats-TTL': '1s', 'Nats-Expected-Stream': 'OTHER' };
const REPLIES = [
  ...Object.keys(API).map((name) => `$JS.API.${name}`),
  'auditEvent.faults.-.other',
  `$JS.ACK.${STREAM}.mine.1.1.1.1.0`,
];
const ACKNOWLEDGEMENT = /^\{"stream":"AUDIT_EVENTS","seq":\d+\}$/;
/** The stream itself denies it, to administrators too. */
const ADMIN_API = {
  [`STREAM.PURGE.${STREAM}`]: [{}, { seq: 5 }, { filter: 'auditEvent.>' }, { keep: 1 }],
  [`STREAM.MSG.DELETE.${STREAM}`]: [{ seq: 1 }, { seq: 1, no_erase: true }],
  [`STREAM.UPDATE.${STREAM}`]: [{ deny_delete: false }, { deny_purge: false }, { allow_rollup_hdrs: true }],
};

export default {
  number: 25,
  title: 'producer attacks the stream',
  quick: true,
  minimum: { quick: { offered: 1_000, faults: 65 }, full: { offered: 20_000, faults: 1_300 } },

  async run(context) {
    const rounds = context.quick ? 1 : 20;
    const server = context.own(await startNats({ config: CONFIG }));
    await createStream(server.url);
    const producer = await startProducer(context, {
      producer: 'svc',
      servers: server.url,
      nats: { user: 'svc', pass: 'svc' },
    });
    await producer.drained();
    const before = await whatIs(server.url);
    const attempts = [];
    for (let round = 1; round <= rounds; round += 1) {
      attempts.push(
        ...(await attackAsProducer(context, server.url)),
        ...(await attackAsAdmin(context, server.url, before)),
      );
      await producer.drained();
      context.progress(`round ${round} of ${rounds}`);
    }
    await producer.finish();
    const after = await whatIs(server.url);
    const strangers = await leftovers(server.url);
    const figures = await accountAmongStrangers({ servers: server.url, producers: [producer], strangers });
    const allowed = attempts.filter(({ isDenied }) => !isDenied).map(({ what }) => what);
    if (allowed.length > 0) figures.problems.push(`not denied: ${[...new Set(allowed)].join(', ')}`);
    if (JSON.stringify(after) !== JSON.stringify(before))
      figures.problems.push(`it was ${JSON.stringify(before)}, and is ${JSON.stringify(after)}`);
    figures.notes.denied = attempts.length - allowed.length;
    return { faults: attempts.length, ...figures };
  },
};

/** As the package itself makes it: that it lets nothing be removed is what is attacked. */
async function createStream(servers) {
  const connection = await connectNats({ servers });
  await ensureStream(connection);
  await connection.close();
}

/** @returns each attempt, and whether the server has said that it is not permitted */
async function attackAsProducer(context, servers) {
  const connection = await connect({ servers, user: 'svc', pass: 'svc', inboxPrefix: '_INBOX_svc', reconnect: false });
  const denied = new Set();
  void (async () => {
    for await (const { type, error } of connection.status()) {
      if (type === 'error') denied.add(`${error.operation} ${error.subject}`);
    }
  })();
  const attempts = [];
  const attempt = (operation, subject, act) => {
    act();
    attempts.push({ what: `${operation} ${subject}` });
  };
  const answers = [];
  connection.subscribe('_INBOX_svc.>', { callback: (_error, message) => answers.push(message) });
  for (const [name, request] of Object.entries(API)) {
    const body = request === undefined ? '' : JSON.stringify(request);
    const subject = `$JS.API.${name}`;
    attempt('publish', subject, () => connection.publish(subject, body, { reply: '_INBOX_svc.answer' }));
  }
  for (const subject of PUBLISH_ON) attempt('publish', subject, () => connection.publish(subject, 'attack'));
  for (const subject of SUBSCRIBE_TO) {
    attempt('subscription', subject, () => connection.subscribe(subject, { callback: () => {} }));
  }
  await connection.flush();
  // The last of them comes after all others.
  const last = 'publish $JS.API.LAST';
  connection.publish('$JS.API.LAST', '');
  await waitFor(
    () => 'nothing is denied',
    () => denied.has(last),
    context,
  );
  for (const one of attempts) one.isDenied = denied.has(one.what);
  attempts.push(...(await letTheServerDoIt(connection, answers)));
  await connection.close();
  return attempts;
}

/** It is not the publish that is denied here: what it would do is looked for in what is there afterwards. */
async function letTheServerDoIt(connection, answers) {
  const subject = 'auditEvent.faults.-.svc';
  const attempts = [];
  for (const [name, value] of Object.entries(HEADERS)) {
    const options = { headers: headers(), reply: `_INBOX_svc.${name}` };
    options.headers.set(name, value);
    connection.publish(subject, 'attack', options);
    await connection.flush();
    await connection.request(subject, 'attack', { timeout: 30_000 });
    const answer = answers.find((message) => message.subject === `_INBOX_svc.${name}`);
    attempts.push({ what: `header ${name}`, isDenied: answer?.json().error !== undefined });
  }
  for (const reply of REPLIES) {
    connection.publish(subject, 'attack', { reply });
    attempts.push({ what: `reply ${reply}`, isDenied: true });
  }
  await connection.flush();
  return attempts;
}

async function attackAsAdmin(context, servers, { config }) {
  const connection = await connect({ servers, user: 'admin', pass: 'admin' });
  const attempts = [];
  for (const [name, requests] of Object.entries(ADMIN_API)) {
    for (const request of requests) {
      const body = name.includes('UPDATE') ? { ...config, ...request } : request;
      const answer = await connection.request(`$JS.API.${name}`, JSON.stringify(body), { timeout: 30_000 });
      attempts.push({
        what: `${name} ${JSON.stringify(request)} by an administrator`,
        isDenied: answer.json().error !== undefined,
      });
    }
  }
  await connection.close();
  return attempts;
}

/** What must be the same afterwards. */
async function whatIs(servers) {
  const connection = await connect({ servers });
  const manager = await jetstreamManager(connection);
  const streams = await manager.streams.names().next();
  const { config, state } = await manager.streams.info(STREAM);
  await connection.close();
  const { first_seq: first, num_deleted: deleted, consumer_count: consumers } = state;
  return { streams, config, first, deleted, consumers };
}

/**
 * Places of what was stored of the attempts: on his own subject, where he may write what he likes; and acknowledgements that the
 * server was made to publish on another one's, which is all that he can write there.
 */
async function leftovers(servers) {
  const places = new Set();
  await readStream({ servers }, ({ bytes, streamSeq }) => {
    const text = Buffer.from(bytes).toString();
    if (text === 'attack' || ACKNOWLEDGEMENT.test(text)) places.add(streamSeq);
  });
  return places;
}
