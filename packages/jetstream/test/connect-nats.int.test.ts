import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { nkeys } from '@nats-io/transport-node';
import { startNats } from '@spanledger/testkit';
import type { NatsServer } from '@spanledger/testkit';
import { expect, it } from 'vitest';
import { connectNats, ensureStream } from '../src/index.ts';
import { sealRun, until } from './support.ts';
import { expectLedger, statuses, watchedSink } from './watched-sink.ts';

const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const base64 = (value: Uint8Array | object): string =>
  Buffer.from(value instanceof Uint8Array ? value : JSON.stringify(value)).toString('base64url');

/** As an administrator would: the server reads its configuration again, and ends the connections that it denies now. */
async function reload(server: NatsServer, change: (config: string) => string): Promise<void> {
  const file = path.join(server.dir, 'nats.conf');
  await writeFile(file, change(await readFile(file, 'utf8')));
  process.kill(server.pid!, 'SIGHUP');
}

/** A JWT as NATS writes it. */
function jwt(issuer: nkeys.KeyPair, subject: string, type: string, claims: object): string {
  const head = base64({ typ: 'JWT', alg: 'ed25519-nkey' });
  const iat = Math.floor(Date.now() / 1_000);
  const jti = crypto.randomUUID();
  const body = base64({ jti, iat, iss: issuer.getPublicKey(), sub: subject, nats: { type, version: 2, ...claims } });
  return `${head}.${body}.${base64(issuer.sign(new TextEncoder().encode(`${head}.${body}`)))}`;
}

/** A `.creds` file of a fresh user. */
function credentials(account: nkeys.KeyPair): { user: string; file: string } {
  const user = nkeys.createUser();
  const token = jwt(account, user.getPublicKey(), 'user', { subs: -1, data: -1, payload: -1, pub: {}, sub: {} });
  const file = [
    ['USER JWT', token],
    ['USER NKEY SEED', text(user.getSeed())],
  ].map(([title, value]) => `-----BEGIN NATS ${title}-----\n${value}\n------END NATS ${title}------\n`);
  return { user: user.getPublicKey(), file: file.join('\n') };
}

/** The account, without the users that were revoked just now. */
function accountJwt(operator: nkeys.KeyPair, account: nkeys.KeyPair, revoked: readonly string[] = []): string {
  const revocations = Object.fromEntries(revoked.map((user) => [user, Math.floor(Date.now() / 1_000) + 1]));
  const limits = { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, conn: -1, leaf: -1, wildcards: true };
  const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const claims = { limits: { ...limits, ...storage }, revocations };
  return jwt(operator, account.getPublicKey(), 'account', claims);
}

it('stores everything after its user was denied for a while, and needs no restart', async () => {
  const user = '{ user: svc, password: svc }';
  await using server = await startNats({
    config: `authorization { users: [ { user: admin, password: admin }, ${user} ] }`,
  });
  const watching = await connectNats({ servers: server.url, user: 'admin', pass: 'admin' });
  await ensureStream(watching);
  const connection = await connectNats({ servers: server.url, user: 'svc', pass: 'svc' });
  const { sink, write, problem } = watchedSink({ connection });
  const runs = [sealRun(100), sealRun(100)];
  await write(runs[0]!);
  const denials = (): number => server.log.split('authentication error - User "svc"').length - 1;
  await reload(server, (config) => config.replace(user, '{ user: svc, password: other }'));
  await until(() => problem() !== undefined);
  const outcomes = write(runs[1]!);
  await until(() => denials() >= 3);
  expect(connection.isClosed()).toBe(false);
  await reload(server, (config) => config.replace('{ user: svc, password: other }', user));
  expect(statuses(await outcomes)).toEqual(['stored']);
  await expectLedger(watching, runs);
  await sink.close();
  await Promise.all([connection.close(), watching.close()]);
});

it('survives revoked credentials and a file that is half written, and goes on with rotated ones', async () => {
  const [operator, system, account] = [nkeys.createOperator(), nkeys.createAccount(), nkeys.createAccount()];
  const operatorJwt = jwt(operator, operator.getPublicKey(), 'operator', { system_account: system.getPublicKey() });
  const systemJwt = jwt(operator, system.getPublicKey(), 'account', {
    limits: { conn: -1, subs: -1, data: -1, payload: -1 },
  });
  const ours = accountJwt(operator, account);
  await using server = await startNats({
    config: [
      `operator: ${operatorJwt}`,
      `system_account: ${system.getPublicKey()}`,
      'resolver: MEMORY',
      `resolver_preload: { ${system.getPublicKey()}: ${systemJwt}, ${account.getPublicKey()}: ${ours} }`,
    ].join('\n'),
  });
  const dir = await mkdtemp(path.join(tmpdir(), 'spanledger-creds-'));
  const credsFile = path.join(dir, 'svc.creds');
  const [first, second, observing] = [credentials(account), credentials(account), credentials(account)];
  await writeFile(path.join(dir, 'observer.creds'), observing.file);
  const watching = await connectNats({ servers: server.url, credsFile: path.join(dir, 'observer.creds') });
  await ensureStream(watching);
  await writeFile(credsFile, first.file);
  const connection = await connectNats({ servers: server.url, credsFile });
  const { sink, write, problem } = watchedSink({ connection });
  const runs = [sealRun(100), sealRun(100)];
  await write(runs[0]!);
  await reload(server, (config) => config.replace(ours, accountJwt(operator, account, [first.user])));
  await until(() => problem() !== undefined);
  const outcomes = write(runs[1]!);
  await writeFile(credsFile, second.file.slice(0, 200));
  const denials = (): number => server.log.split('authentication error').length - 1;
  const before = denials();
  await until(() => denials() >= before + 2);
  expect(connection.isClosed()).toBe(false);
  await writeFile(credsFile, second.file);
  expect(statuses(await outcomes)).toEqual(['stored']);
  await expectLedger(watching, runs);
  await sink.close();
  await Promise.all([connection.close(), watching.close()]);
  await rm(dir, { recursive: true });
});

it.each([
  ['is not there', undefined],
  ['holds no credentials', '-----BEGIN'],
])('throws when the credentials file %s', async (_what, content) => {
  const dir = await mkdtemp(path.join(tmpdir(), 'spanledger-creds-'));
  const credsFile = path.join(dir, 'svc.creds');
  if (content !== undefined) await writeFile(credsFile, content);
  const connecting = connectNats({ servers: 'nats://127.0.0.1:1', credsFile });
  await expect(connecting).rejects.toMatchObject({ code: 'SPANLEDGER_OPTION' });
  await rm(dir, { recursive: true });
});
