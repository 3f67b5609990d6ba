import path from 'node:path';
import { memoryAttemptStore, memorySink } from '@spanledger/audit';
import { SpanledgerError } from '@spanledger/protocol';
import { describe, expect, it } from 'vitest';
import { CONFIG_KEYS } from '../src/config.ts';
import { resolveConfig } from '../src/resolve-config.ts';
import type { ResolvedConfig } from '../src/resolve-config.ts';

const SERVICE = { name: 'from-otel', version: '1.2.3' };

function resolve(config: object = {}, env: Record<string, string> = {}, service: object = SERVICE): ResolvedConfig {
  return resolveConfig(config, CONFIG_KEYS, service as typeof SERVICE, env);
}

function problem(
  config: object,
  env: Record<string, string> = {},
  service: object = SERVICE,
): { code: string; message: string } {
  try {
    resolve(config, env, service);
  } catch (error) {
    if (error instanceof SpanledgerError) return error;
  }
  throw new Error('no error');
}

describe('resolveConfig', () => {
  it('has a default for everything but the producer', () => {
    const resolved = resolve();
    expect(resolved).toMatchObject({
      producer: 'from-otel',
      agentVersion: '1.2.3',
      nats: undefined,
      outbound: undefined,
      trustInbound: true,
      record: 'all',
      shutdownTimeoutMs: 5_000,
      allowDisabled: false,
    });
    expect(Object.isFrozen(resolved)).toBe(true);
  });

  it('takes no transcripts, unless it is told to and the ledger can take them', () => {
    const env = { SPANLEDGER_NATS_URL: 'nats://env:4222' };
    const on = { spans: {}, stream: {} };
    for (const value of ['', 'false', '0', 'OFF'])
      expect(resolve({}, { ...env, SPANLEDGER_TRANSCRIPTS: value }).transcripts).toBeUndefined();
    for (const value of ['true', '1', ' On '])
      expect(resolve({}, { ...env, SPANLEDGER_TRANSCRIPTS: value }).transcripts).toEqual(on);
    expect(resolve({ transcripts: true }, env).transcripts).toEqual(on);
    expect(resolve({ transcripts: false }, { ...env, SPANLEDGER_TRANSCRIPTS: 'true' }).transcripts).toBeUndefined();
    const nats = { servers: 'nats://a:4222', stream: { replicas: 3, maxBytes: 9 } };
    expect(resolve({ nats, transcripts: { spans: false, stream: { maxAgeMs: 7 } } }).transcripts).toEqual({
      spans: undefined,
      stream: { replicas: 3, maxAgeMs: 7 },
    });
    expect(resolve({ nats, transcripts: { contentMax: 5_000, stream: { replicas: 1 } } }).transcripts).toEqual({
      spans: { contentMax: 5_000 },
      stream: { replicas: 1 },
    });
    expect(resolve({ sink: memorySink({ maxTranscriptBytes: 1 }), transcripts: true }).transcripts).toEqual(on);
    expect(problem({ transcripts: true }).message).toMatch(/`transcripts` needs a server/);
    expect(problem({}, { SPANLEDGER_TRANSCRIPTS: 'true' }).message).toMatch(/SPANLEDGER_TRANSCRIPTS needs a server/);
    expect(problem({}, { ...env, SPANLEDGER_TRANSCRIPTS: 'yes please' }).message).toMatch(/must be true or false/);
    expect(problem({ sink: memorySink(), transcripts: true }).message).toMatch(/memory takes none/);
    for (const transcripts of [1, 'true', { span: true }, { spans: 'yes' }]) {
      expect(problem({ transcripts }, env).code).toBe('SPANLEDGER_OPTION');
    }
  });

  it('counts attempts in this process, unless it is told another place and how to get there', () => {
    const env = { SPANLEDGER_NATS_URL: 'nats://env:4222' };
    expect(resolve({}, env).attempts).toBeUndefined();
    expect(resolve({ attempts: 'memory' }, { ...env, SPANLEDGER_ATTEMPTS: 'kv' }).attempts).toBeUndefined();
    const kv = { nats: { servers: ['env:4222'] }, onUnavailable: 'error' };
    expect(resolve({}, { ...env, SPANLEDGER_ATTEMPTS: ' kv ' }).attempts).toEqual(kv);
    expect(resolve({ sink: memorySink(), attempts: 'kv' }, env).attempts).toEqual(kv);
    expect(resolve({ attempts: 'kv-or-memory' }, env).attempts).toEqual({ ...kv, onUnavailable: 'memory' });
    const store = memoryAttemptStore();
    expect(resolve({ attempts: store }, { SPANLEDGER_ATTEMPTS: 'kv' }).attempts).toBe(store);
    expect(problem({ attempts: 'kv' })).toMatchObject({
      code: 'SPANLEDGER_OPTION',
      message: expect.stringContaining('SPANLEDGER_NATS_URL'),
    });
    expect(problem({}, { SPANLEDGER_ATTEMPTS: 'redis' }).message).toMatch(
      /^SPANLEDGER_ATTEMPTS must be 'memory', 'kv'/,
    );
    for (const attempts of ['redis', {}, 1]) {
      expect(problem({ attempts }).message).toMatch(/^`attempts` must be/);
    }
  });

  it('prefers options to the environment', () => {
    const env = { SPANLEDGER_NATS_URL: 'nats://env:4222', SPANLEDGER_ALLOWED_HOSTS: 'env.internal' };
    const options = {
      producer: 'mine',
      nats: { servers: 'nats://option:4222' },
      outbound: { allowedHosts: ['option.internal'] },
    };
    const resolved = resolve(options, env);
    expect(resolved).toMatchObject({
      producer: 'mine',
      nats: { servers: ['option:4222'] },
      outbound: { allowedHosts: ['option.internal'] },
    });
  });

  it('reads comma lists from the environment, and takes empty for not set', () => {
    const env = { SPANLEDGER_NATS_URL: 'nats://a:4222, b', SPANLEDGER_ALLOWED_HOSTS: ' a.svc ,*.b.svc,' };
    expect(resolve({}, env)).toMatchObject({
      nats: { servers: ['a:4222', 'b'] },
      outbound: { allowedHosts: ['a.svc', '*.b.svc'] },
    });
    expect(resolve({}, { SPANLEDGER_NATS_URL: '', SPANLEDGER_ALLOWED_HOSTS: ' ' })).toMatchObject({
      nats: undefined,
      outbound: undefined,
    });
  });

  it('takes the other settings of nats together with servers from the environment', () => {
    const nats = { user: 'u', pass: 'p', stream: { replicas: 3 } };
    const resolved = resolve({ nats }, { SPANLEDGER_NATS_URL: 'a:1' });
    expect(resolved.nats).toEqual({ servers: ['a:1'], ...nats });
  });

  it('does not change its input', () => {
    const config = { producer: 'p', nats: { servers: ['nats://u:p@a:1'] }, outbound: { allowedHosts: ['a'] } };
    const before = structuredClone(config);
    resolve(config);
    expect(config).toEqual(before);
  });

  it.each([
    [{ producr: 'x' }, '`producr`', '`producer`'],
    [{ outbound: { allowedHost: [] } }, '`outbound.allowedHost`', '`outbound.allowedHosts`'],
    [{ nats: { server: 'x' } }, '`nats.server`', '`nats.servers`'],
    [{ journal: { maxByte: 1 } }, '`journal.maxByte`', '`journal.maxBytes`'],
    [{ ledger: '.spanledger' }, '`ledger`', 'known are producer,'],
  ])('names the unknown option of %j and what may be meant', (config, unknown, meant) => {
    const { code, message } = problem(config);
    expect(code).toBe('SPANLEDGER_OPTION');
    expect(message).toContain(unknown);
    expect(message).toContain(meant);
  });

  it.each([
    [undefined, {}, '.spanledger', false],
    [undefined, { SPANLEDGER_JOURNAL_DIR: ' ' }, '.spanledger', false],
    [undefined, { SPANLEDGER_JOURNAL_DIR: '/env' }, '/env', true],
    ['option', { SPANLEDGER_JOURNAL_DIR: '/env' }, 'option', true],
    [{ directory: '/option' }, { SPANLEDGER_JOURNAL_DIR: '/env' }, '/option', true],
    [{}, { SPANLEDGER_JOURNAL_DIR: '/env' }, '/env', true],
    [{}, {}, '.spanledger', true],
  ])('puts the journal of %j and %j into %s', (journal, env, directory, isAskedFor) => {
    expect(resolve({ journal }, env as Record<string, string>).journal).toEqual({
      directory: path.resolve(directory),
      isAskedFor,
    });
  });

  it('passes the sizes of the journal on, and has none where it is turned off', () => {
    const sizes = { maxBytes: 1, retentionMs: 2, segmentBytes: 3 };
    expect(resolve({ journal: sizes }).journal).toMatchObject(sizes);
    expect(resolve({ journal: false }, { SPANLEDGER_JOURNAL_DIR: '/env' }).journal).toBeUndefined();
  });

  it.each([
    ['no producer', {}, {}, { name: undefined }, 'SPANLEDGER_PRODUCER'],
    ['a fallback for one', {}, {}, { name: 'unknown_service:node' }, 'SPANLEDGER_PRODUCER'],
    ['two ledgers', { sink: memorySink(), nats: { servers: 'a' } }, {}, SERVICE, 'SPANLEDGER_OPTION'],
    ['nats without servers', { nats: {} }, {}, SERVICE, 'SPANLEDGER_OPTION'],
    ['no server in a list', { nats: { servers: [] } }, {}, SERVICE, 'SPANLEDGER_OPTION'],
    ['a journal nowhere', { journal: '' }, {}, SERVICE, 'SPANLEDGER_OPTION'],
    ['a journal that is true', { journal: true }, {}, SERVICE, 'SPANLEDGER_OPTION'],
    ['record', { record: 'some' }, {}, SERVICE, 'SPANLEDGER_OPTION'],
    ['shutdownTimeoutMs', { shutdownTimeoutMs: -1 }, {}, SERVICE, 'SPANLEDGER_OPTION'],
    ['a URL that is not for NATS', {}, { SPANLEDGER_NATS_URL: 'http://a' }, SERVICE, 'SPANLEDGER_OPTION'],
  ])('refuses %s', (_what, config, env, service, code) => {
    expect(problem(config, env as Record<string, string>, service).code).toBe(code);
  });

  it('does not open NATS beside a sink of the application', () => {
    expect(resolve({ sink: memorySink() }, { SPANLEDGER_NATS_URL: 'a:1' }).nats).toBeUndefined();
  });
});
