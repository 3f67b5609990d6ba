import { connectNats } from '@spanledger/jetstream';
import { startNats } from '@spanledger/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { cli, startLedger } from './support.ts';

const API = '"$SYS.REQ.USER.INFO", "$JS.API.INFO", "$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.>"';

/** The client's own is one second. */
const PATIENT = { timeout: 30_000 };

interface Doctored {
  readonly checks: { name: string; level: string; text: string; advice?: string }[];
}

async function levels(args: readonly string[], code: number): Promise<Record<string, string>> {
  const run = await cli(['doctor', '--json', ...args]);
  expect({ code: run.code, stderr: run.stderr }).toEqual({ code, stderr: '' });
  const { checks } = JSON.parse(run.stdout) as Doctored;
  // Whatever is not as it should be comes with what to do.
  expect(checks.filter(({ level, advice }) => level !== 'ok' && !advice)).toEqual([]);
  return Object.fromEntries(checks.map(({ name, level }) => [name, level]));
}

describe('stream', () => {
  it.each([
    ['2.9', { version: '2.9' }],
    ['of the newest release', {}],
  ])('creates and checks it, on nats-server %s', async (_, options) => {
    await using server = await startNats(options);
    const args = ['--server', server.url];
    expect(await cli(['stream', 'check', ...args])).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^missing/),
    });
    const init = ['stream', 'init', '--max-bytes', '1GiB', '--max-age', '30d', '--duplicate-window', '20m', ...args];
    expect(await cli(init)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^created/) });
    expect(await cli(init)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ok/) });
    const check = await cli(['stream', 'check', '--json', ...args]);
    expect(check.code).toBe(0);
    expect(JSON.parse(check.stdout)).toMatchObject({
      stream: 'AUDIT_EVENTS',
      status: 'found',
      differences: [
        { setting: 'max_bytes', actual: 1024 ** 3, severity: 'warning' },
        { setting: 'max_age', actual: 30 * 86_400e9, severity: 'warning' },
      ],
    });
  });

  it('creates and checks that of transcripts, and the doctor looks at it where there is one', async () => {
    await using server = await startNats();
    const args = ['--server', server.url];
    expect(await cli(['stream', 'check', '--transcripts', ...args])).toMatchObject({
      code: 1,
      stdout: 'missing  AUDIT_TRANSCRIPTS: `spanledger stream init --transcripts` creates it\n',
    });
    expect(await cli(['stream', 'init', ...args])).toMatchObject({ code: 0 });
    expect(await levels(args, 0)).not.toHaveProperty('transcripts');
    const init = ['stream', 'init', '--transcripts', '--max-age', '90d', ...args];
    expect(await cli(init)).toMatchObject({
      code: 0,
      stdout: 'created  AUDIT_TRANSCRIPTS, from which can be erased\n',
    });
    expect(await cli(init)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^ok/) });
    expect(await levels(args, 0)).toMatchObject({ transcripts: 'ok', 'append-only': 'ok' });
    expect(await cli(['stream', 'check', '--transcripts', '--stream', 'OTHER', ...args])).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(/^missing {2}OTHER/),
    });

    await using wrong = await startNats();
    const connection = await connectNats({ servers: wrong.url });
    const config = { name: 'AUDIT_TRANSCRIPTS', subjects: ['auditTranscript.>'], discard: 'new', deny_purge: true };
    await connection.request('$JS.API.STREAM.CREATE.AUDIT_TRANSCRIPTS', JSON.stringify(config), PATIENT);
    await connection.close();
    await cli(['stream', 'init', '--server', wrong.url]);
    expect(await levels(['--server', wrong.url], 1)).toMatchObject({ transcripts: 'fail', 'append-only': 'ok' });
  });

  it('names what is wrong with one that is there', async () => {
    await using server = await startNats();
    const connection = await connectNats({ servers: server.url });
    const config = { name: 'AUDIT_EVENTS', subjects: ['auditEvent.>'], discard: 'old' };
    await connection.request('$JS.API.STREAM.CREATE.AUDIT_EVENTS', JSON.stringify(config), PATIENT);
    await connection.close();
    const { code, stdout } = await cli(['stream', 'init', '--server', server.url]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/\nerror +discard +"old" +"new"\n/);
    expect(await levels(['--server', server.url], 1)).toMatchObject({
      'append-only': 'fail',
      discard: 'fail',
      subjects: 'fail',
      'duplicate window': 'warn',
    });
  });

  it('refuses what makes no sense', async () => {
    for (const args of [
      ['--replicas', '9'],
      ['--max-bytes', 'much'],
      ['--max-age', 'old'],
    ]) {
      expect(await cli(['stream', 'init', ...args])).toMatchObject({ code: 2, stdout: '' });
    }
  });
});

describe('doctor', () => {
  it('finds a good server good', async () => {
    const config = `accounts { A { jetstream: enabled, users: [
      { user: admin, password: a }
      { user: reader, password: r, permissions: { publish: [${API}], subscribe: ["_INBOX_spanledger.>"] } } ] } }`;
    await using server = await startNats({ monitoring: true, jetstream: 'sync_interval: always', config });
    const as = (user: string): string[] => ['--server', server.url.replace('//', `//${user}:${user[0]}@`)];
    expect(await cli(['stream', 'init', ...as('admin')])).toMatchObject({ code: 0 });
    const monitor = ['--monitor', server.monitoringUrl];
    expect(await levels([...as('reader'), ...monitor], 0)).toEqual({
      server: 'ok',
      'max payload': 'ok',
      account: 'ok',
      reading: 'ok',
      writing: 'ok',
      administration: 'ok',
      stream: 'ok',
      'append-only': 'ok',
      discard: 'ok',
      subjects: 'ok',
      storage: 'ok',
      'duplicate window': 'ok',
      replicas: 'warn',
      limits: 'ok',
      'sync interval': 'ok',
      clock: 'ok',
    });
    expect(await levels([...as('admin'), ...monitor], 0)).toMatchObject({ writing: 'warn', administration: 'warn' });
    expect(await levels([...as('reader'), ...monitor, '--strict'], 1)).toMatchObject({ replicas: 'warn' });
    const { stdout } = await cli(['doctor', ...as('reader'), ...monitor]);
    expect(stdout).toMatch(/^ok {4}server +nats-server 2\./);
    expect(stdout).toMatch(/\nwarn {2}replicas +one copy\n +a lost disk/);
  });

  it('tells of an old server, a full stream, a short sync, and no stream', async () => {
    await using old = await startNats({ version: '2.9', monitoring: true });
    const args = ['--server', old.url, '--monitor', old.monitoringUrl];
    expect(await levels(args, 1)).toMatchObject({
      server: 'warn',
      stream: 'fail',
      'sync interval': 'warn',
      clock: 'ok',
    });

    const { url, publish } = await startLedger({ config: 'max_payload: 60000' }, { maxBytes: 3_000 });
    await publish('auditEvent', 'x'.repeat(2_800));
    const found = await levels(['--server', url, '--monitor', 'http://127.0.0.1:1'], 1);
    expect(found).toMatchObject({ 'max payload': 'fail', stream: 'ok', limits: 'fail', 'sync interval': 'warn' });
  });

  it('tells how full stream and account are', async () => {
    const config = 'accounts { A { jetstream: { max_file: 40960 }, users: [{ user: a, password: a }] } }';
    const server = await startNats({ config });
    onTestFinished(() => server.close());
    const url = server.url.replace('//', '//a:a@');
    const connection = await connectNats({ servers: server.url, user: 'a', pass: 'a' });
    onTestFinished(() => connection.close());
    const stream = { name: 'AUDIT_EVENTS', subjects: ['auditEvent', 'auditEvent.>'], discard: 'new', max_msgs: 4 };
    await connection.request('$JS.API.STREAM.CREATE.AUDIT_EVENTS', JSON.stringify(stream), PATIENT);
    expect(await levels(['--server', url], 1)).toMatchObject({ limits: 'ok', 'account limits': 'ok' });
    for (let n = 0; n < 3; n += 1) await connection.request('auditEvent', 'x'.repeat(11_000), PATIENT);
    const { stdout } = await cli(['doctor', '--server', url]);
    expect(stdout).toMatch(/\nwarn {2}limits +75 % of 4 events used\n.*raise max_msgs in time\n/);
    expect(stdout).toMatch(/\nwarn {2}account limits +8\d % of 40960 bytes used\n/);
  });

  it('tells what an account without rights may not', async () => {
    const config = `accounts { A { jetstream: enabled, users: [
      { user: p, password: p, permissions: { publish: ["auditEvent.*.*.svc", "$SYS.REQ.USER.INFO"], subscribe: ["_INBOX_spanledger.>"] } } ] } }`;
    await using server = await startNats({ config });
    const as = ['--user', 'p', '--password', 'p', '--server', server.url];
    const { stdout, code } = await cli(['doctor', ...as]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/warn {2}reading +this account may not read: \$JS\.API\.STREAM\.INFO/);
    expect(stdout).toMatch(/ok {4}writing +only on auditEvent\.\*\.\*\.svc/);
    const refused = await cli(['doctor', '--server', server.url]);
    expect(refused).toMatchObject({ code: 3, stdout: '' });
    expect(refused.stderr).toMatch(/give credentials/);
    const forbidden = await cli(['verify', ...as]);
    expect(forbidden).toMatchObject({ code: 3, stdout: '' });
    expect(forbidden.stderr).toMatch(/Permissions Violation.*\n {2}give credentials of an account that may read/);
    expect(await cli(['stream', 'check', ...as])).toMatchObject({ code: 3, stdout: '' });
  });
});
