import { generateKeyPairSync } from 'node:crypto';
import { createRequire } from 'node:module';
import { createAuditPipeline, createKeyRing, memorySink, registerPipeline } from '@spanledger/audit';
import type { FastifyInstance } from 'fastify';
import { describe, expect, it, onTestFinished } from 'vitest';
import { spanledger } from '../src/index.ts';
import type { SpanledgerOptions } from '../src/index.ts';

const require = createRequire(import.meta.url);
const PATH = '/.well-known/forge-audit-keys';

const newKey = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;

describe.each(['fastify4', 'fastify'])('the keys on %s', (version) => {
  const fastify = require(version) as () => FastifyInstance;

  async function newApp(options: SpanledgerOptions): Promise<FastifyInstance> {
    const app = fastify();
    onTestFinished(() => app.close());
    await app.register(spanledger, options);
    return app;
  }

  it('are those of the ring, before and after a rotation, whatever the ledger does', async () => {
    const keys = createKeyRing({ key: newKey(), kid: 'first' });
    const pipeline = createAuditPipeline({ producer: 'svc', sink: memorySink(), signing: { mode: 'event', keys } });
    onTestFinished(registerPipeline(pipeline));
    const app = await newApp({ auditKeys: { maxAgeSeconds: 60 }, failClosed: true });
    keys.rotate({ key: newKey(), kid: 'second' });
    await pipeline.shutdown();
    expect((await app.inject('/other')).statusCode).toBe(503);
    const response = await app.inject(PATH);
    expect(response.statusCode).toBe(200);
    expect(response.headers).toMatchObject({
      'content-type': 'application/jwk-set+json',
      'cache-control': 'public, max-age=60',
    });
    expect(response.json()).toEqual(keys.jwks());
    expect(response.json()).toMatchObject({ keys: [{ kid: 'second' }, { kid: 'first', exp: expect.any(Number) }] });
  });

  it('are not there where nothing is signed, and have no route where none is asked for', async () => {
    const served = await (await newApp({ auditKeys: true })).inject(PATH);
    expect([served.statusCode, served.headers['cache-control']]).toEqual([404, 'no-store']);
    const app = await newApp({});
    expect(app.hasRoute({ method: 'GET', url: PATH })).toBe(false);
  });

  it('an option that cannot be is an error of register', async () => {
    const options = { auditKeys: { maxAgeSeconds: -1 } };
    await expect(newApp(options)).rejects.toMatchObject({ code: 'SPANLEDGER_OPTION' });
  });
});
