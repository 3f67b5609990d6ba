import { createPublicKey, generateKeyPairSync, sign, verify as verifyEd25519 } from 'node:crypto';
import type { SealedEvent, VerificationKey } from '@spanledger/protocol';
import { signedBytes } from '@spanledger/protocol';
import { describe, expect, it } from 'vitest';
import { verify } from '../src/index.ts';
import type { SignatureOptions } from '../src/index.ts';
import { TestRun, edited, sha256, stored } from './history.ts';

const pairs = new Map(['k1', 'k2', 'stolen'].map((kid) => [kid, generateKeyPairSync('ed25519')]));

function keyOf(kid: string, validity: Partial<VerificationKey> = {}): VerificationKey {
  const { x = '' } = pairs.get(kid)!.publicKey.export({ format: 'jwk' });
  return { kid, x, ...validity };
}

const verifySignature: SignatureOptions['verifySignature'] = ({ x }, bytes, signature) =>
  verifyEd25519(null, bytes, createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }), signature);

/** Signs as it is sealed: `prev_hash` and all. */
class SignedRun extends TestRun {
  kid = 'k1';

  override seal(...draft: Parameters<TestRun['seal']>): SealedEvent {
    return this.signLast(super.seal(...draft));
  }

  signLast(event: SealedEvent, kid = this.kid): SealedEvent {
    const unsigned = edited(event, { kid, sigp: 'jcs-1' });
    const bytes = signedBytes(JSON.parse(new TextDecoder().decode(unsigned.bytes)) as object)!;
    const sig = sign(null, bytes, pairs.get(kid)!.privateKey).toString('base64');
    const signed = edited(unsigned, { sig });
    this.chain.head = signed.hash;
    return signed;
  }
}

const check = async (events: readonly SealedEvent[], options: Partial<SignatureOptions> = {}) =>
  (
    await verify(stored(events), {
      sha256,
      signatures: { keys: [keyOf('k1'), keyOf('k2')], verifySignature, ...options },
    })
  ).findings;

describe('a signed ledger', () => {
  it('has no finding, also across a rotation', async () => {
    const run = new SignedRun();
    const events = [run.seal('invocation_started')];
    run.kid = 'k2';
    events.push(run.seal('tool_exec'), run.seal('invocation_complete'));
    expect(await check(events, { required: 'event' })).toEqual([]);
    expect(await check(events)).toEqual([]);
  });

  it('says how many signatures are good, and nothing of them without keys', async () => {
    const run = new SignedRun();
    const events = [run.seal('invocation_started'), run.seal('tool_exec')];
    run.kid = 'stolen';
    events.push(run.seal('tool_exec'));
    const records = stored([...events, events[0]!]);
    const signatures = { keys: [keyOf('k1')], verifySignature };
    expect(await verify(records, { sha256, signatures })).toMatchObject({ validSignatures: 2, duplicates: 1 });
    expect(await verify(stored(new TestRun().complete(3)), { sha256, signatures })).toMatchObject({
      validSignatures: 0,
      verified: true,
    });
    expect(await verify(records, { sha256 })).not.toHaveProperty('validSignatures');
  });

  it('an edited event: at that event, and nowhere else', async () => {
    const events = new SignedRun().complete(5);
    const tampered = events.with(2, edited(events[2]!, { event: 'egress_allowed' }));
    expect(await check(tampered)).toMatchObject([{ cause: 'signature_invalid', seq: 3, kid: 'k1' }]);
  });

  it('an edited last event, which no link shows', async () => {
    const events = new SignedRun().complete(5);
    const tampered = events.with(4, edited(events[4]!, { ts: '2027-01-01T00:00:00.000000Z' }));
    expect(await check(tampered)).toMatchObject([{ cause: 'signature_invalid', seq: 5 }]);
  });

  it('a signature that was taken off: missing where it is required, downgraded where the run has others', async () => {
    const events = new SignedRun().complete(5);
    const bare = events.with(4, edited(events[4]!, { sig: undefined, sigp: undefined, kid: undefined }));
    expect(await check(bare, { required: 'event' })).toMatchObject([{ cause: 'signature_missing', seq: 5 }]);
    expect(await check(bare)).toMatchObject([{ cause: 'signature_downgraded', seq: 5 }]);
  });

  it('half a signature, or one of another scheme, is none', async () => {
    const events = new SignedRun().complete(3);
    for (const change of [{ sig: undefined }, { sigp: 'none' }, { sigp: undefined }, { sig: 'AAAA' }]) {
      expect(await check(events.with(2, edited(events[2]!, change)))).toMatchObject([
        { cause: 'signature_invalid', seq: 3 },
      ]);
    }
  });

  it('a key that the reader does not have', async () => {
    const run = new SignedRun();
    run.kid = 'stolen';
    expect((await check(run.complete(3))).map(({ cause }) => cause)).toEqual(Array(3).fill('signature_unknown_key'));
  });

  it('another key under a known name', async () => {
    const run = new SignedRun();
    run.kid = 'stolen';
    const events = run.complete(3).map((event) => edited(event, { kid: 'k1' }));
    expect((await check(events)).filter(({ cause }) => cause === 'signature_invalid')).toHaveLength(3);
  });

  it('a key that was not valid any more, or not yet', async () => {
    const events = new SignedRun().complete(3);
    const then = Date.parse('2026-01-02T03:04:05Z') / 1_000;
    for (const keys of [[keyOf('k1', { notAfter: then - 1 })], [keyOf('k1', { notBefore: then + 60 })]]) {
      expect((await check(events, { keys })).map(({ cause }) => cause)).toEqual(Array(3).fill('signature_expired_key'));
    }
    expect(await check(events, { keys: [keyOf('k1', { notBefore: then, notAfter: then + 1 })] })).toEqual([]);
  });

  it('where only checkpoints are signed, the others are not asked for one', async () => {
    const [instance, run] = [new TestRun(), new TestRun()];
    const signer = new SignedRun();
    const events = [instance.seal('session_start'), ...run.complete(3)];
    Object.assign(signer, { chain: instance.chain });
    const checkpoint = signer.signLast(instance.seal('audit_checkpoint'));
    expect(await check([...events, checkpoint], { required: 'checkpoint' })).toEqual([]);
    const bare = edited(checkpoint, { sig: undefined, sigp: undefined, kid: undefined });
    expect(await check([...events, bare], { required: 'checkpoint' })).toMatchObject([
      { cause: 'signature_missing', seq: 2 },
    ]);
  });
});
