import { createHash, createPublicKey, generateKeyPairSync, verify as verifyEd25519 } from 'node:crypto';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { verify } from '@spanledger/ledger';
import type { LedgerReport } from '@spanledger/ledger';
import { JWKS_PATH, readJwks, readSignature } from '@spanledger/protocol';
import type { Jwks, LedgerRecord, VerificationKey } from '@spanledger/protocol';
import { startNats } from '@spanledger/testkit';
import { expect, it, onTestFinished } from 'vitest';
import { App } from './support/app.ts';
import { endedRuns, eventOf, readLedger } from './support/ledger.ts';
import { waitFor } from './support/wait-for.ts';

const newKey = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;

/** As `spanledger verify` does it, with pinned keys. */
function verifySigned(records: readonly LedgerRecord[], jwks: Jwks): Promise<LedgerReport> {
  const verifySignature = ({ x }: VerificationKey, bytes: Uint8Array, signature: Uint8Array): boolean => {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' });
    return verifyEd25519(null, bytes, key, signature);
  };
  return verify(records, {
    sha256: (bytes) => createHash('sha256').update(bytes).digest('hex'),
    signatures: { keys: readJwks(jwks), verifySignature, required: 'event' },
  });
}

it('signs everything that a service stores, over a rotation of its key file, and serves the keys to verify it with', async () => {
  await using nats = await startNats();
  const folder = mkdtempSync(path.join(tmpdir(), 'spanledger-keys-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const keyFile = path.join(folder, 'audit.pem');
  writeFileSync(keyFile, newKey(), { mode: 0o600 });
  await using app = await App.serve('agent.mjs', {
    load: 'spanledger-signed.mjs',
    env: { OTEL_SERVICE_NAME: 'signer', SPANLEDGER_NATS_URL: nats.url, SPANLEDGER_SIGNING_KEY_FILE: keyFile },
  });
  const keysNow = async (): Promise<Jwks> => (await app.get<Jwks>(JWKS_PATH)).body;

  await app.get('/work?mark=before');
  // The run ends when the answer has been sent, which we may hear of first: not with the next key.
  await endedRuns(nats.url, ['before']);
  writeFileSync(`${keyFile}.new`, newKey(), { mode: 0o600 });
  renameSync(`${keyFile}.new`, keyFile);
  const jwks = await waitFor(
    () => 'the new key to be served beside the old one',
    async () => {
      const keys = await keysNow();
      return keys.keys.length === 2 ? keys : undefined;
    },
  );
  await app.get('/work?mark=after');
  const runs = await endedRuns(nats.url, ['before', 'after']);
  expect(await app.stop()).toBe(143);
  expect(app.stderr).not.toContain('signing key');

  const [active, retired] = jwks.keys.map(({ kid }) => kid);
  const kids = runs.map((run) => new Set(run.map((event) => readSignature(event)?.kid)));
  expect(kids).toEqual([new Set([retired]), new Set([active])]);
  const { records } = await readLedger(nats.url);
  expect(records.every((record) => Buffer.from(record.bytes).includes('"spanledger":{"producer":"signer"'))).toBe(true);
  expect(await verifySigned(records, jwks)).toMatchObject({ verified: true, findings: [] });

  // And it would be seen: the signature of another event, and a key that the reader does not know.
  const at = records.findIndex((record) => eventOf(record).event === 'work');
  const changed = records.map((record, index) =>
    index === at
      ? { ...record, bytes: Buffer.from(String(Buffer.from(record.bytes)).replace('before', 'beyond')) }
      : record,
  );
  expect((await verifySigned(changed, jwks)).findings).toContainEqual(
    expect.objectContaining({ cause: 'signature_invalid', seq: eventOf(records[at]!).seq }),
  );
  const { findings } = await verifySigned(records, { keys: jwks.keys.slice(0, 1) });
  expect(new Set(findings.map(({ cause }) => cause))).toEqual(new Set(['signature_unknown_key']));
});
