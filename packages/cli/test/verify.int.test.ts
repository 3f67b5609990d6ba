import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { openJournal } from '@spanledger/audit';
import { describe, expect, it } from 'vitest';
import { cli, newDirectory, plainRun, sealRun, startLedger, toNdjson } from './support.ts';

describe.each([
  ['2.9', { version: '2.9' }],
  ['of the newest release', {}],
])('on a stream of nats-server %s', (_, options) => {
  it('verifies the stream, one execution and a workflow', async () => {
    const { url, store } = await startLedger(options);
    await store(plainRun(3, { execution: 'e1', producer: 'a' }));
    await store(plainRun(2, { execution: 'e2', workflow: 'wf-2', producer: 'b' }));

    const all = await cli(['verify', '--server', url]);
    expect(all).toMatchObject({ code: 0, stderr: '' });
    expect(all.stdout).toMatch(/events +9\n/);
    expect(all.stdout.trimEnd()).toMatch(/\nVERIFIED$/);

    const one = await cli(['verify', '--execution', 'e1', '--runs', '--json', '--server', url]);
    expect(one.code).toBe(0);
    expect(JSON.parse(one.stdout)).toMatchObject({
      verified: true,
      events: 5,
      runCount: 1,
      producers: ['a'],
      findings: [],
    });
    const part = await cli(['verify', '--workflow', 'wf-2', '--json', '--server', url]);
    expect(JSON.parse(part.stdout)).toMatchObject({ verified: true, events: 4, remarks: [expect.any(String)] });
  });

  it('tells what is wrong and where, and exits with 1', async () => {
    const { url, store } = await startLedger(options);
    const run = plainRun(4, { execution: 'e1' });
    await store(run.toSpliced(2, 1));
    const { code, stdout } = await cli(['verify', '-e', 'e1', '--json'], undefined, { SPANLEDGER_NATS_URL: url });
    expect(code).toBe(1);
    expect(JSON.parse(stdout)).toMatchObject({
      verified: false,
      findings: [{ cause: 'gap', runId: run[0]!.runId, seq: 3, lastSeq: 3, streamSeq: 3 }],
    });
    const text = await cli(['verify', '-e', 'e1'], undefined, { SPANLEDGER_NATS_URL: url });
    expect(text.stdout).toContain(`gap  ${run[0]!.runId}:3  stream seq 3\n    number 3 is missing`);
    expect(text.stdout.trimEnd()).toMatch(/\nNOT VERIFIED$/);
  });
});

it('reads with an execution what its producers report in their instance runs', async () => {
  const { url, store } = await startLedger();
  const run = plainRun(4, { execution: 'e1' });
  const before = sealRun({ events: [{ event: 'audit_export_status' }] });
  const lost = run[2]!;
  const report = sealRun({
    events: [
      { event: 'audit_export_status' },
      {
        event: 'audit_loss',
        fields: { run_id: lost.runId, first_seq: 3, last_seq: 3, last_hash: lost.hash, count: 1, reason: 'queue_full' },
      },
    ],
  });
  const elsewhere = plainRun(2, { execution: 'e2', producer: 'svc' });
  await store(before);
  await store(run.toSpliced(2, 1));
  // The instance run began before, and was cut: neither is the execution's business.
  await store(report.slice(1));
  await store(elsewhere.slice(1));
  const { code, stdout } = await cli(['verify', '--execution', 'e1', '--runs', '--json', '--server', url]);
  expect(JSON.parse(stdout)).toMatchObject({
    verified: true,
    events: 5,
    gaps: 0,
    losses: 1,
    runs: [{ runId: lost.runId }],
    findings: [{ cause: 'loss', seq: 3, reason: 'queue_full' }],
  });
  expect(code).toBe(0);
  const strict = await cli(['verify', '--execution', 'e1', '--strict', '--server', url]);
  expect(strict.code).toBe(1);
  expect(strict.stdout).toMatch(/note: nothing speaks against the record; --strict .*\n\nVERIFIED\n$/);
});

it('judges with an execution what is no event of a run, once', async () => {
  const { url, store, publish } = await startLedger();
  const run = plainRun(1, { execution: 'e1' });
  const [subject] = run.map((event) => event.subject);
  await store(run);
  await publish(subject!, 'no event');
  const forge = { ts: '2026-01-01T00:00:00Z', event: 'llm_call', schema_version: '1.0', correlation_id: 'c', seq: 1 };
  await publish(subject!, JSON.stringify({ ...forge, workflow_execution_id: 'e1' }));
  await publish(subject!, JSON.stringify({ ...forge, workflow_execution_id: 'e1', seq: 3 }));
  const { code, stdout } = await cli(['verify', '-e', 'e1', '--json', '--server', url]);
  expect(code).toBe(1);
  const { findings, ...counts } = JSON.parse(stdout);
  expect(counts).toMatchObject({ verified: false, events: 3, forgeEvents: 2, gaps: 1 });
  expect(findings).toMatchObject([
    { cause: 'unparsable', streamSeq: 4, subject },
    { cause: 'gap', seq: 2, streamSeq: 6 },
  ]);
});

it('says that there is nothing under that name', async () => {
  const { url } = await startLedger();
  for (const name of ['--workflow', '--producer']) {
    expect(await cli(['verify', name, 'nobody', '--server', url])).toMatchObject({ code: 1, stdout: '' });
  }
  const { code, stdout, stderr } = await cli(['verify', '--execution', 'no\u001b[31me', '--server', url]);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('no event of execution no\\x1b[31me');
});

describe('files', () => {
  it('verifies NDJSON, several files and standard input, and names file and line', async () => {
    const directory = await newDirectory();
    const [good, bad] = [plainRun(2), plainRun(3)];
    const files = [path.join(directory, 'good.ndjson'), path.join(directory, 'bad.ndjson')];
    await writeFile(files[0]!, toNdjson(good));
    await writeFile(files[1]!, toNdjson(bad).toString().replace('"index":1', '"index":7'));
    expect(await cli(['verify', files[0]!])).toMatchObject({ code: 0, stderr: '' });
    const both = await cli(['verify', ...files]);
    expect(both.code).toBe(1);
    expect(both.stdout).toContain(`broken_chain  ${bad[0]!.runId}:4  ${files[1]}:4`);
    expect(await cli(['verify', '-'], toNdjson(good))).toMatchObject({ code: 0, stderr: '' });
  });

  it('says that there was nothing in it', async () => {
    const { code, stdout } = await cli(['verify', '--strict', '-'], '');
    expect(code).toBe(0);
    expect(stdout).toContain('note: there was no event: nothing was verified\n');
  });

  it('verifies journals as they lie, beside their owner', async () => {
    const directory = await newDirectory();
    const journal = openJournal({ directory, producer: 'svc', segmentBytes: 4096 });
    for (const event of plainRun(40)) journal.append(event);
    for (const folder of [directory, journal.folder]) {
      const { code, stdout } = await cli(['verify', folder, '--json']);
      expect(JSON.parse(stdout)).toMatchObject({ verified: true, events: 42 });
      expect(code).toBe(0);
    }
    await journal.close();
  });

  it('prints 50 findings, or all', async () => {
    const lines = 'no event\n'.repeat(70);
    const some = await cli(['verify', '-'], lines);
    expect(some.stdout.match(/^unparsable/gm)).toHaveLength(50);
    expect(some.stdout).toContain('… and 20 more');
    const all = await cli(['verify', '--all', '-'], lines);
    expect(all.stdout.match(/^unparsable/gm)).toHaveLength(70);
  });

  it('refuses what is no file, no journal, or both a file and a part of the stream', async () => {
    const directory = await newDirectory();
    for (const args of [
      ['nowhere.ndjson'],
      [directory],
      ['-', '--execution', 'e1'],
      ['--since', 'yesterday'],
      ['--what'],
    ]) {
      const { code, stdout, stderr } = await cli(['verify', ...args], '');
      expect({ args, code, stdout }).toEqual({ args, code: 2, stdout: '' });
      expect(stderr).toMatch(/^error: /);
    }
  });
});

it('says that the server, or the stream, is not to be had', async () => {
  const { server, url } = await startLedger();
  const missing = await cli(['verify', '--stream', 'OTHER', '--server', url]);
  expect(missing).toMatchObject({ code: 3, stdout: '' });
  expect(missing.stderr).toContain('stream OTHER cannot be read: stream not found');
  await server.stop();
  const down = await cli(['verify', '--server', url]);
  expect(down).toMatchObject({ code: 3, stdout: '' });
  expect(down.stderr).toMatch(/^error: cannot connect .*\n {2}is it running/);
  const named = url.replace('nats://', 'nats://me:secret@');
  const secret = await cli(['verify', '--server', named]);
  expect(secret.stderr).toContain(`cannot connect to ${url.replace('nats://', '')}: `);
  expect(secret.stderr).not.toContain('secret');
});
