import { readFile, readdir, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { startFaultProxy } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import { Cli, cli, newDirectory, plainRun, sealRun, startLedger, toNdjson, until } from './support.ts';

describe('status', () => {
  it('shows one execution as a tree, with states, durations and tokens', async () => {
    const { url, store } = await startLedger();
    const step = { step_id: 'plan', attempt_epoch: 1 };
    const orchestrator = sealRun({
      execution: 'e1',
      producer: 'orchestrator',
      events: [
        { event: 'workflow_started' },
        { event: 'workflow_step_started', ...step },
        { event: 'workflow_step_completed', ...step, duration_ms: 1_234 },
      ],
    });
    const agent = sealRun({
      execution: 'e1',
      producer: 'planner',
      events: [
        { event: 'invocation_started', ...step, invocation_caller: 'orchestrator' },
        { event: 'llm_call', ...step, model: 'm-1', input_tokens: 402, output_tokens: 17, fields: { status: 'error' } },
        { event: 'invocation_complete', ...step },
      ],
    });
    await store(orchestrator);
    await store(agent);
    const { code, stdout, stderr } = await cli(['status', 'e1', '--server', url]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/^execution e1 {2}workflow wf-1 {2}2026-.* 6 events in 2 runs {2}402→17 tokens\n/);
    expect(stdout).toMatch(/\norchestrator {2}\S+ {2}open\n├─ \S+ {2}workflow_started/);
    expect(stdout).toMatch(/workflow_step_completed {2}plan #1 {2}1\.2 s/);
    expect(stdout).toMatch(/\n└─ planner {2}\S+ {2}ended\n {3}├─ /);
    expect(stdout).toMatch(/llm_call {2}plan #1 {2}m-1 {2}402→17 tokens {2}error/);

    const json = JSON.parse((await cli(['status', 'e1', '--json', '--server', url])).stdout);
    expect(json).toMatchObject({
      execution: 'e1',
      verified: true,
      nodes: [{ kind: 'run' }, { kind: 'run', parent: 0 }],
    });
    expect(json.events).toHaveLength(6);
    expect(await cli(['status', 'e2', '--server', url])).toMatchObject({ code: 1, stdout: '' });
    expect(await cli(['status', '--server', url])).toMatchObject({ code: 2, stdout: '' });
  });

  it('uses colours where they are wanted', async () => {
    const { url, store } = await startLedger();
    await store(plainRun(1, { execution: 'e1' }));
    const args = ['status', 'e1', '--server', url];
    const escape = '\u001b[';
    expect((await cli(args)).stdout).not.toContain(escape);
    expect((await cli(args, undefined, { FORCE_COLOR: '1' })).stdout).toContain(escape);
    expect((await cli(args, undefined, { FORCE_COLOR: '1', NO_COLOR: '1' })).stdout).not.toContain(escape);
  });
});

describe('watch', () => {
  it('prints what is stored from now on, over a restart of the server, until Ctrl-C', async () => {
    const { server, url, store } = await startLedger();
    await store(plainRun(1, { execution: 'before' }));
    const watching = new Cli(['watch', '--server', url]);
    await watching.says('watching', 'stderr');
    await store(plainRun(1, { execution: 'after-1' }));
    await watching.says(/invocation_complete .*after-1/);
    await server.kill('SIGKILL');
    await watching.says('connection lost', 'stderr');
    await server.restart();
    await watching.says('connected again', 'stderr');
    await store(plainRun(1, { execution: 'after-2' }));
    await watching.says(/invocation_complete .*after-2/);
    watching.child.kill('SIGINT');
    expect(await watching.ended).toBe(0);
    expect(watching.stdout).not.toContain('before');
    expect(watching.stdout.trimEnd().split('\n')).toHaveLength(6);
  });

  it('filters by execution, producer, workflow and event, and speaks NDJSON', async () => {
    const { url, store } = await startLedger();
    const plans = { execution: ['--execution', 'e1'], producer: ['-p', 'mine'], workflow: ['-w', 'wf-9'] };
    const watching = Object.values(plans).map(
      (args) => new Cli(['watch', ...args, '--event', 'tool_exec', 'llm_call', '--json', '--server', url]),
    );
    await Promise.all(watching.map((one) => one.says('watching', 'stderr')));
    await store(plainRun(2, { execution: 'e1', workflow: 'wf-9', producer: 'mine' }));
    await store(plainRun(2, { execution: 'e2', workflow: 'wf-1', producer: 'theirs' }));
    for (const one of watching) {
      await until(() => one.stdout.split('\n').length > 2);
      one.child.kill('SIGTERM');
      expect(await one.ended).toBe(0);
      const events = one.stdout
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line));
      expect(events).toMatchObject([
        { event: { event: 'tool_exec', fields: { index: 0 } }, subject: 'auditEvent.wf-9.e1.mine' },
        { event: { event: 'tool_exec', fields: { index: 1 } } },
      ]);
    }
  });

  it('begins in the past with --since', async () => {
    const { url, store } = await startLedger();
    await store(plainRun(1, { execution: 'e1' }));
    const watching = new Cli(['watch', '--since', '1h', '--server', url]);
    await watching.says('invocation_complete');
    watching.child.kill('SIGINT');
    expect(await watching.ended).toBe(0);
  });
});

describe('export', () => {
  it('writes the exact bytes, to a pipe or a file, which verify', async () => {
    const { url, store } = await startLedger();
    const [mine, theirs] = [plainRun(3, { execution: 'e1' }), plainRun(3, { execution: 'e2' })];
    await store(mine);
    await store(theirs);
    const all = await cli(['export', '--server', url]);
    expect(all).toEqual({ code: 0, stdout: toNdjson([...mine, ...theirs]).toString(), stderr: '' });
    expect(await cli(['verify', '-'], all.stdout)).toMatchObject({ code: 0 });

    const directory = await newDirectory();
    const file = path.join(directory, 'e1.ndjson');
    expect(await cli(['export', '-e', 'e1', '-o', file, '--server', url])).toMatchObject({ code: 0, stdout: '' });
    expect(await readFile(file)).toEqual(toNdjson(mine));
    expect(await readdir(directory)).toEqual(['e1.ndjson']);
  });

  it('refuses a name that nothing has, and leaves the file that is there', async () => {
    const { url, store } = await startLedger();
    await store(plainRun(1, { execution: 'e1' }));
    const file = path.join(await newDirectory(), 'old.ndjson');
    await writeFile(file, 'old');
    for (const args of [
      ['-e', 'nobody'],
      ['-w', 'nobody'],
      ['-p', 'nobody'],
      ['--run', 'nobody'],
    ]) {
      const run = await cli(['export', ...args, '-o', file, '--server', url]);
      expect({ args, code: run.code, stdout: run.stdout }).toEqual({ args, code: 1, stdout: '' });
      expect(run.stderr).toMatch(/has no event of \w+ nobody\n/);
    }
    expect(await readFile(file, 'utf8')).toBe('old');
    const { code, stdout, stderr } = await cli(['export', '-o', file, '--json', '--server', url]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(JSON.parse(stdout)).toEqual({ file, events: 3, leftOut: 0 });
    expect((await cli(['export', '--json', '--server', url])).stdout).toBe(await readFile(file, 'utf8'));
  });

  it('writes one run by number, without copies', async () => {
    const { url, publish } = await startLedger();
    const run = plainRun(3, { execution: 'e1' });
    for (const event of [...run.toReversed(), ...run, ...plainRun(1)]) await publish(event.subject, event.bytes);
    const { code, stdout } = await cli(['export', '--run', run[0]!.runId, '--server', url]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: toNdjson(run).toString() });
    expect(await cli(['export', '--run', 'nobody', '--server', url])).toMatchObject({ code: 1, stdout: '' });
  });

  it('leaves out, and says so, what would forge a line', async () => {
    const { url, publish } = await startLedger();
    const [forged] = plainRun(0);
    await publish('auditEvent.-.-.evil', `{}\n${Buffer.from(forged!.bytes).toString()}`);
    const { code, stdout, stderr } = await cli(['export', '--server', url]);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    expect(stderr).toContain('left out: stream seq 1');
  });

  it('ends when its reader goes away', async () => {
    const { url, store } = await startLedger();
    await store(plainRun(20_000, { execution: 'e1' }));
    const exporting = new Cli(['export', '--server', url]);
    await exporting.says('\n');
    exporting.child.stdout!.destroy();
    expect(await exporting.ended).toBe(0);
    expect(exporting.stderr).toBe('');
  });

  it.each([
    ['export to a pipe', ['export']],
    ['export to a file', ['export', '-o', 'FILE']],
    ['verify', ['verify', '--json']],
  ])('gives up, and says so, when the server goes away for good: %s', async (_, command) => {
    const { url, store } = await startLedger();
    const events = plainRun(20_000, { execution: 'e1' });
    await store(events);
    await using proxy = await startFaultProxy(url);
    // It reads in twenty batches, each of which passes this process twice: none is the last before the next look here.
    proxy.delay(100);
    const directory = await newDirectory();
    const args = command.map((arg) => arg.replace('FILE', path.join(directory, 'all.ndjson')));
    const reading = new Cli([...args, '--wait', '500ms', '--server', proxy.url]);
    const isToPipe = args.length === 1;
    const size = toNdjson(events).length;
    await until(() => proxy.carriedBytes > size / 10);
    if (isToPipe) await reading.says('\n');
    await proxy.close();
    expect(await reading.ended).toBe(3);
    expect(reading.stderr).toMatch(/^error: the server was lost|^error: .* cannot be read/);
    if (isToPipe) expect(reading.stdout.length).toBeLessThan(size);
    else expect(reading.stdout).toBe('');
    expect(await readdir(directory)).toEqual([]);
  });

  it('leaves nothing behind when it is interrupted, or the place cannot be written', async () => {
    const { url, store } = await startLedger();
    await store(plainRun(20_000, { execution: 'e1' }));
    const directory = await newDirectory();
    const exporting = new Cli(['export', '-o', path.join(directory, 'all.ndjson'), '--server', url]);
    await until(async () => (await readdir(directory)).length > 0);
    exporting.child.kill('SIGINT');
    const code = await exporting.ended;
    // It may have been whole by then.
    expect([0, 130]).toContain(code);
    expect(await readdir(directory)).toEqual(code === 0 ? ['all.ndjson'] : []);
    const nowhere = await cli(['export', '-o', path.join(directory, 'no/where'), '--server', url]);
    expect(nowhere).toMatchObject({ code: 2, stdout: '' });
    expect(nowhere.stderr).toContain('there is no such file or folder');
  });
});

it('rolls a workflow up', async () => {
  const { url, store } = await startLedger();
  const step = { step_id: 'plan', attempt_epoch: 1 };
  for (const [execution, end] of [
    ['e1', 'workflow_complete'],
    ['e2', 'workflow_failed'],
  ] as const) {
    const stepEnd = end === 'workflow_complete' ? 'workflow_step_completed' : 'workflow_step_failed';
    await store(
      sealRun({
        execution,
        workflow: 'deploy',
        events: [
          { event: 'workflow_started' },
          { event: 'workflow_step_started', ...step },
          { event: 'llm_call', ...step, model: 'm-1', input_tokens: 10, output_tokens: 5 },
          { event: stepEnd, ...step, duration_ms: 1_500 },
          { event: end, duration_ms: 2_000 },
        ],
      }),
    );
  }
  await store(plainRun(1, { execution: 'e3', workflow: 'other' }));
  const args = ['rollup', 'deploy', '--server', url];
  const { workflows } = JSON.parse((await cli([...args, '--json'])).stdout);
  expect(workflows).toMatchObject([
    { workflowId: 'deploy', executions: 2, completed: 1, failed: 1, tokens: { inputTokens: 20, outputTokens: 10 } },
  ]);
  const text = await cli(args);
  expect(text).toMatchObject({ code: 0, stderr: '' });
  expect(text.stdout).toMatch(/^deploy\n\nexecutions +2\ncompleted +1\nfailed +1\n/);
  expect(text.stdout).toMatch(/[^\n]\n$/);
  expect(text.stdout).toMatch(/\nstep +executions +failed +retries +p50 +p99 +last error\nplan +2 +1 +0 +1\.5 s/);
  expect((await cli(['rollup', '--server', url, '--json'])).stdout).toContain('"other"');
  expect((await cli(['rollup', '--server', url])).stdout).toMatch(/[^\n]\n\n\nother\n/);
  const before = await cli([...args, '--to', '2025-01-01']);
  expect(before).toMatchObject({ code: 1, stdout: '' });
});
