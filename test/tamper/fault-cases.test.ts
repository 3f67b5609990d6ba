// Cases 32 and 33 of what must be survived, with the real writer and the real reader.
import { createHash, createPublicKey, generateKeyPairSync, verify as verifyEd25519 } from 'node:crypto';
import { audit, createAuditPipeline, createKeyRing, memorySink, registerPipeline } from '@spanledger/audit';
import type { AuditPipeline, MemorySink, SigningKeys } from '@spanledger/audit';
import { verify } from '@spanledger/ledger';
import type { Finding } from '@spanledger/ledger';
import { Run } from '@spanledger/otel/internal';
import { parseEvent, readJwks } from '@spanledger/protocol';
import type { Jwk, Jwks, LedgerRecord, VerificationKey } from '@spanledger/protocol';
import { afterEach, describe, expect, it, vi } from 'vitest';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const newPem = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;
const eventOf = ({ bytes }: LedgerRecord) => parseEvent(bytes)!;

/** As `spanledger verify` does it. */
async function findingsOf(records: readonly LedgerRecord[], jwks?: Jwks): Promise<readonly Finding[]> {
  const verifySignature = ({ x }: VerificationKey, bytes: Uint8Array, signature: Uint8Array): boolean =>
    verifyEd25519(null, bytes, createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }), signature);
  const signatures = jwks && { keys: readJwks(jwks), verifySignature, required: 'event' as const };
  return (await verify(records, { sha256, ...(signatures && { signatures }) })).findings;
}

afterEach(() => void vi.useRealTimers());

/** A service that emits so many events in one run. */
function service(events: number, keys?: SigningKeys): { pipeline: AuditPipeline; sink: MemorySink; runId: string } {
  const sink = memorySink();
  const pipeline = createAuditPipeline({ producer: 'svc', sink, ...(keys && { signing: { mode: 'event', keys } }) });
  const workflow = { workflowId: 'w', executionId: 'x' };
  const scope = { run: new Run('carrier', workflow), workflow };
  for (let n = 0; n < events; n += 1) pipeline.emit(scope, { event: 'tool_exec', fields: { n } });
  return { pipeline, sink, runId: scope.run.id };
}

describe('32: the tail is cut, or a whole chain is gone', () => {
  const MINUTE_MS = 60_000;

  it('shows at the next checkpoint, a minute later at the latest, while the process goes on', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
    const { pipeline, sink, runId } = service(20);
    await pipeline.flush();
    expect(sink.records).toHaveLength(20);
    vi.advanceTimersByTime(MINUTE_MS);
    vi.useRealTimers();
    await pipeline.flush();
    const records = [...sink.records];
    const run = records.filter((record) => eventOf(record).event === 'tool_exec');
    const checkpoint = records.find((record) => eventOf(record).event === 'audit_checkpoint');
    expect([run.length, checkpoint]).toEqual([20, expect.anything()]);
    expect(await findingsOf(records)).toEqual([]);
    for (let kept = 1; kept < run.length; kept += 1) {
      const cut = records.filter((record) => !run.slice(kept).includes(record));
      expect(await findingsOf(cut)).toMatchObject([
        { cause: 'checkpoint_mismatch', kind: 'tail_cut', runId, seq: kept + 1, lastSeq: 20 },
      ]);
    }
    expect(await findingsOf(records.filter((record) => !run.includes(record)))).toMatchObject([
      { cause: 'checkpoint_mismatch', kind: 'run_deleted', runId, seq: 1, lastSeq: 20 },
    ]);
  });

  it('no process may be told to wait longer than that', () => {
    const options = { producer: 'svc', sink: memorySink(), checkpointIntervalMs: MINUTE_MS + 1 };
    expect(() => createAuditPipeline(options)).toThrow(expect.objectContaining({ code: 'SPANLEDGER_OPTION' }));
  });
});

describe('33: keys and signatures that are not as they should be', () => {
  const AT = 3;
  /** Ten signed events, of which the third is changed. */
  async function ledger(change: (event: Record<string, unknown>) => object = (event) => event) {
    const keys = createKeyRing({ key: newPem(), kid: 'k1' });
    const { pipeline, sink, runId } = service(10, keys);
    await pipeline.flush();
    const records = sink.records.map((record) => {
      const event = JSON.parse(new TextDecoder().decode(record.bytes)) as Record<string, unknown>;
      if (event['run_id'] !== runId || event['seq'] !== AT) return record;
      return { ...record, bytes: new TextEncoder().encode(JSON.stringify(change(event))) };
    });
    return { records, keys, runId };
  }
  const withKey = (change: Partial<Jwk>) => (jwks: Jwks) => ({ keys: jwks.keys.map((key) => ({ ...key, ...change })) });
  const otherX = createKeyRing({ key: newPem() }).jwks().keys[0]!.x;

  it.each<[string, (jwks: Jwks) => Jwks, string]>([
    ['an expired key', withKey({ exp: 1 }), 'signature_expired_key'],
    ['a key that was not valid yet', withKey({ nbf: 4_000_000_000 }), 'signature_expired_key'],
    ['an unknown kid', withKey({ kid: 'other' }), 'signature_unknown_key'],
    ['a set without keys', () => ({ keys: [] }), 'signature_unknown_key'],
    ['another key under the kid', withKey({ x: otherX }), 'signature_invalid'],
  ])('%s: each event is refused', async (_, changed, cause) => {
    const { records, keys } = await ledger();
    const findings = await findingsOf(records, changed(keys.jwks()));
    expect(findings.map((finding) => finding.cause)).toEqual(records.map(() => cause));
  });

  it.each<[string, (event: Record<string, unknown>) => object, string]>([
    ['another scheme', (event) => ({ ...event, sigp: 'hs256-1' }), 'signature_invalid'],
    ['no scheme', (event) => ({ ...event, sigp: undefined }), 'signature_invalid'],
    ['alg none', (event) => ({ ...event, sigp: 'none', sig: '' }), 'signature_invalid'],
    ['a JWS header beside it', (event) => ({ ...event, alg: 'none' }), 'signature_invalid'],
    ['url-safe base64', (event) => ({ ...event, sig: 'A_'.repeat(43) }), 'signature_invalid'],
    ['a signature of no bytes', (event) => ({ ...event, sig: '' }), 'signature_invalid'],
    ['another kid', (event) => ({ ...event, kid: 'k2' }), 'signature_unknown_key'],
    ['no kid', (event) => ({ ...event, kid: undefined }), 'signature_unknown_key'],
    ['none at all', (event) => ({ ...event, kid: undefined, sigp: undefined, sig: undefined }), 'signature_missing'],
  ])('%s: that event is refused, and no other', async (_name, change, cause) => {
    const { records, keys, runId } = await ledger(change);
    const findings = await findingsOf(records, keys.jwks());
    expect(findings.filter((finding) => finding.cause.startsWith('signature'))).toMatchObject([
      { cause, runId, seq: AT },
    ]);
  });

  it.each<[string, Record<string, unknown>]>([
    ['RSA', { kty: 'RSA', crv: undefined }],
    ['a shared secret', { kty: 'oct', crv: undefined, k: 'AAAA' }],
    ['another curve', { crv: 'Ed448' }],
    ['a private key', { d: 'AAAA' }],
  ])('a set that says the key is %s is no set', (_, change) => {
    const [jwk] = createKeyRing({ key: newPem() }).jwks().keys;
    expect(() => readJwks({ keys: [{ ...jwk, ...change }] })).toThrow(
      expect.objectContaining({ code: 'SPANLEDGER_KEY' }),
    );
  });

  it('a rotation in the middle of a run is no finding, with the keys of any replica', async () => {
    const [before, after] = [newPem(), newPem()];
    const replicas = [0, 1].map(() => createKeyRing({ key: before }));
    const { pipeline, sink } = service(5, replicas[1]);
    // The other replica is the first to see the new key.
    replicas[0]!.rotate({ key: after });
    await pipeline.flush();
    expect(await findingsOf(sink.records, replicas[0]!.jwks())).toEqual([]);
    replicas[1]!.rotate({ key: after });
    await pipeline.shutdown();
    const kids = new Set(sink.records.map((record) => eventOf(record).kid));
    expect(kids.size).toBe(2);
    const both = { keys: replicas.flatMap((ring) => ring.jwks().keys) };
    for (const jwks of [replicas[0]!.jwks(), replicas[1]!.jwks(), both]) {
      expect(await findingsOf(sink.records, jwks)).toEqual([]);
    }
  });

  it('a signer that is down: a fail-closed action is not begun, nothing unsigned is stored, and what is lost is reported', async () => {
    const ring = createKeyRing({ key: newPem() });
    const signer = { down: true };
    const keys: SigningKeys = {
      kid: ring.kid,
      jwks: () => ring.jwks(),
      sign(bytes) {
        if (signer.down) throw new Error('the key store does not answer');
        return ring.sign(bytes);
      },
    };
    const { pipeline, sink } = service(0, keys);
    const unregister = registerPipeline(pipeline);
    let begun = 0;
    const pay = () => audit.guard({ event: 'payment' }, () => (begun += 1));
    await expect(pay()).rejects.toMatchObject({ code: 'SPANLEDGER_NOT_DURABLE' });
    expect([begun, sink.records.length, pipeline.health().status]).toEqual([0, 0, 'failing']);
    signer.down = false;
    await vi.waitFor(() => pay(), { timeout: 120_000 });
    unregister();
    await pipeline.shutdown();
    const findings = await findingsOf(sink.records, ring.jwks());
    expect(begun).toBe(1);
    expect(new Set(findings.map((finding) => finding.cause))).toEqual(new Set(['loss']));
    expect(findings).toMatchObject(findings.map(() => ({ reason: 'signer' })));
  });
});
