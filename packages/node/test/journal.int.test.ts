import { existsSync, mkdirSync, readdirSync, rmSync, statfsSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { startNats } from '@spanledger/testkit';
import type { NatsServer } from '@spanledger/testkit';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import { count, readLedger } from './ledger-reader.ts';
import { NodeProcess, temporaryFolder } from './node-process.ts';

let nats: NatsServer;
beforeEach(async () => void (nats = await startNats()));
afterEach(() => nats.close());

const env = (): Record<string, string> => ({ OTEL_SERVICE_NAME: 'keeper', SPANLEDGER_NATS_URL: nats.url });

/** Where no folder can be made, whoever one is: root ignores modes. */
function unusableFolder(): string {
  const file = path.join(temporaryFolder(), 'not-a-folder');
  writeFileSync(file, '');
  return file;
}

describe('where the journal is', () => {
  it('is .spanledger in the working directory, beside the local ledger, and only for its owner', async () => {
    const cwd = temporaryFolder();
    const service = new NodeProcess('end.mjs', {
      load: 'register',
      env: { OTEL_SERVICE_NAME: 'keeper', END: 'wait' },
      cwd,
      journal: null,
    });
    await service.says(/emitted/);
    const folder = path.join(cwd, '.spanledger');
    await expect
      .poll(() => readdirSync(folder).sort(), { timeout: 120_000 })
      .toEqual(['keeper', expect.stringMatching(/^keeper-.*ndjson$/)]);
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const [own] = readdirSync(path.join(folder, 'keeper'));
    expect(readdirSync(path.join(folder, 'keeper', own!))).toContain('0000000001.journal');
    service.child.kill('SIGTERM');
    expect(await service.ended()).toEqual({ code: 143, signal: null });
  });

  it('is one for each thread', async () => {
    const journal = temporaryFolder();
    const script = new NodeProcess('worker.mjs', { load: 'register', env: env(), journal });
    expect(await script.ended()).toEqual({ code: 0, signal: null });
    const entries = readdirSync(path.join(journal, 'keeper'), { withFileTypes: true });
    expect(entries.filter((entry) => entry.isDirectory())).toHaveLength(2);
  });

  it('is nowhere if it is turned off', async () => {
    const cwd = temporaryFolder();
    const script = new NodeProcess('emit-and-end.mjs', { load: 'memory-only.mjs', env: env(), cwd, journal: null });
    expect(await script.ended()).toEqual({ code: 0, signal: null });
    expect(existsSync(path.join(cwd, '.spanledger'))).toBe(false);
    expect(count(await readLedger(nats.url), 'work_done')).toBe(100);
  });
});

describe('a journal that cannot be had', () => {
  it('is an error where it was asked for', async () => {
    const script = new NodeProcess('emit-and-end.mjs', { load: 'register', env: env(), journal: unusableFolder() });
    expect(await script.ended()).toEqual({ code: 1, signal: null });
    expect(script.stderr).toMatch(/^spanledger: a journal cannot be created in .* \[SPANLEDGER_JOURNAL\]\n$/);
    expect(script.stdout).toBe('');
  });

  it('is said aloud where it is the default, and the service goes on in memory', async () => {
    const cwd = temporaryFolder();
    writeFileSync(path.join(cwd, '.spanledger'), '');
    const script = new NodeProcess('emit-and-end.mjs', { load: 'register', env: env(), cwd, journal: null });
    expect(await script.ended()).toEqual({ code: 0, signal: null });
    expect(script.stderr).toMatch(/^spanledger: there is no journal, so .*SPANLEDGER_JOURNAL_DIR.*\n$/);
    expect(count(await readLedger(nats.url), 'work_done')).toBe(100);
  });

  it.runIf(process.platform === 'linux')('is said aloud in a working directory that nobody can write to', async () => {
    const script = new NodeProcess('emit-and-end.mjs', { load: 'register', env: env(), cwd: '/sys', journal: null });
    expect(await script.ended()).toEqual({ code: 0, signal: null });
    expect(script.stderr).toMatch(/^spanledger: there is no journal.*\/sys\/\.spanledger.*\n$/);
    expect(count(await readLedger(nats.url), 'work_done')).toBe(100);
  });
});

const TMPFS = '/dev/shm';
const hasTmpfs = process.platform === 'linux' && existsSync(TMPFS) && statfsSync(TMPFS).type === 0x01_02_19_94;

it.runIf(hasTmpfs)('warns of a journal in memory, in one line', async () => {
  const journal = path.join(TMPFS, path.basename(temporaryFolder()));
  mkdirSync(journal);
  onTestFinished(() => rmSync(journal, { recursive: true }));
  const script = new NodeProcess('emit-and-end.mjs', { load: 'register', env: env(), journal });
  expect(await script.ended()).toEqual({ code: 0, signal: null });
  expect(script.wholeStderr).toMatch(/^spanledger: the journal \S+ is on tmpfs .*SPANLEDGER_JOURNAL_DIR\n$/);
});
