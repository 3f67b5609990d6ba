import { createPrivateKey } from 'node:crypto';
import { readFile, readdir, stat, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { createKeyRing } from '@spanledger/audit';
import { readJwks } from '@spanledger/protocol';
import { expect, it } from 'vitest';
import { cli, newDirectory, plainRun, sealRun, startLedger, toNdjson } from './support.ts';

it('makes a key that signs, and prints what verifies it', async () => {
  const directory = await newDirectory();
  const [key, jwks] = [path.join(directory, 'key.pem'), path.join(directory, 'jwks.json')];
  const made = await cli(['keys', 'generate', '--json', '-o', key, '--jwks', jwks]);
  expect(made.code).toBe(0);
  expect(createPrivateKey(await readFile(key)).asymmetricKeyType).toBe('ed25519');
  expect((await stat(key)).mode & 0o777).toBe(0o600);
  expect(made.stdout + made.stderr).not.toContain('PRIVATE');
  expect(JSON.parse(await readFile(jwks, 'utf8'))).toEqual(JSON.parse(made.stdout));
  expect(JSON.parse((await cli(['keys', 'jwks', '--json', key])).stdout)).toEqual(JSON.parse(made.stdout));

  const signer = createKeyRing({ key: await readFile(key, 'utf8') });
  const signed = path.join(directory, 'signed.ndjson');
  await writeFile(signed, toNdjson(plainRun(3, { signer })));
  expect(await cli(['verify', '--keys', jwks, '--require-signatures', 'event', signed])).toMatchObject({ code: 0 });

  const text = await readFile(signed, 'utf8');
  const lines = text.trimEnd().split('\n');
  const forged = [...lines.slice(0, -1), lines.at(-1)!.replace('invocation_complete', 'invocation_cancelled')].join(
    '\n',
  );
  const found = await cli(['verify', '--keys', jwks, '--json', '-'], forged);
  expect(found.code).toBe(1);
  expect(JSON.parse(found.stdout).findings).toMatchObject([{ cause: 'signature_invalid', seq: 5, kid: signer.kid }]);
  // Without keys nobody would see it: nothing links to the last one.
  expect(await cli(['verify', '-'], forged)).toMatchObject({ code: 0 });
  const counted = await cli(['verify', '--keys', jwks, '-'], text);
  expect(counted).toMatchObject({ code: 0, stdout: expect.stringMatching(/^valid signatures +5$/m) });
  const bare = await cli(['verify', '--keys', jwks, '-'], toNdjson(plainRun(1)));
  expect(bare).toMatchObject({ code: 0, stdout: expect.stringContaining('note: nothing in it is signed') });
  const unsigned = await cli(['verify', '--keys', jwks, '--require-signatures', 'event', '-'], toNdjson(plainRun(1)));
  expect(unsigned).toMatchObject({ code: 1, stdout: expect.stringContaining('is not signed, and must be') });
});

it('rotates: the new key signs, and what the old one signed stays valid', async () => {
  const directory = await newDirectory();
  const [key, jwks] = [path.join(directory, 'key.pem'), path.join(directory, 'jwks.json')];
  await cli(['keys', 'generate', '--json', '-o', key, '--jwks', jwks]);
  const before = createKeyRing({ key: await readFile(key, 'utf8') });
  const { code, stdout } = await cli(['keys', 'rotate', '--json', '--key', key, '--jwks', jwks, '--grace', '1h']);
  expect(code).toBe(0);
  const after = createKeyRing({ key: await readFile(key, 'utf8') });
  expect((await stat(key)).mode & 0o777).toBe(0o600);
  const [next, old] = readJwks(stdout);
  expect(next).toEqual({ kid: after.kid, x: after.jwks().keys[0]!.x });
  expect(old).toMatchObject({ kid: before.kid, x: before.jwks().keys[0]!.x });
  expect(old!.notAfter! * 1_000).toBeGreaterThan(Date.now());
  expect(JSON.parse(await readFile(jwks, 'utf8'))).toEqual(JSON.parse(stdout));
  expect((await readdir(directory)).sort()).toEqual(['jwks.json', 'key.pem']);
  const both = toNdjson([...plainRun(1, { signer: before }), ...plainRun(1, { signer: after })]);
  expect(await cli(['verify', '--keys', jwks, '-'], both)).toMatchObject({ code: 0 });
});

it('overwrites no key, and takes no file for one that is none', async () => {
  const directory = await newDirectory();
  const key = path.join(directory, 'key.pem');
  await cli(['keys', 'generate', '--json', '-o', key, '--kid', 'k1']);
  const pem = await readFile(key, 'utf8');
  const jwks = path.join(directory, 'jwks.json');
  await writeFile(jwks, '{"keys":[]}');
  for (const args of [
    ['generate', '-o', key],
    ['generate', '-o', path.join(directory, 'other.pem'), '--kid', 'with space'],
    ['generate', '-o', path.join(directory, 'other.pem'), '--jwks', key],
    ['rotate', '--key', jwks, '--jwks', jwks],
    ['rotate', '--key', key, '--jwks', path.join(directory, 'nowhere')],
    ['jwks', path.join(directory, 'nowhere')],
    ['jwks', '--kid', 'k', key, key],
    ['jwks'],
    ['generate'],
  ]) {
    const run = await cli(['keys', ...args]);
    expect({ args, code: run.code, stdout: run.stdout }).toEqual({ args, code: 2, stdout: '' });
    expect(run.stderr).toMatch(/^error: /);
    expect(run.stderr).not.toContain('BEGIN');
  }
  expect(await readFile(key, 'utf8')).toBe(pem);
  expect(await readFile(jwks, 'utf8')).toBe('{"keys":[]}');
  expect((await readdir(directory)).sort()).toEqual(['jwks.json', 'key.pem']);
  expect(await cli(['verify', '--keys', key, '-'], '')).toMatchObject({
    code: 2,
    stderr: expect.stringContaining(
      `error: ${key}: this key set cannot be used: it is not JSON\n  public keys are wanted`,
    ),
  });
  expect(await cli(['verify', '--require-signatures', 'event', '-'], '')).toMatchObject({ code: 2 });
});

it('sees in the stream, and with one execution, what a checkpoint says is missing', async () => {
  const { url, store } = await startLedger();
  const run = plainRun(4, { execution: 'e1' });
  const head = run.at(-1)!;
  const runs = [{ run_id: head.runId, last_seq: head.seq, head_hash: head.hash }];
  await store(run.slice(0, -2));
  await store(sealRun({ events: [{ event: 'audit_checkpoint', fields: { runs } }] }));
  for (const args of [[], ['--execution', 'e1']]) {
    const { code, stdout } = await cli(['verify', ...args, '--server', url]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/checkpoint_mismatch.*\n +numbers 5 to 6 are missing at the end of the run, as \S+:1 says/);
  }
});
