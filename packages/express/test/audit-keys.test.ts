import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { createAuditPipeline, createKeyRing, memorySink, registerPipeline } from '@spanledger/audit';
import type { KeyRing } from '@spanledger/audit';
import type { Express } from 'express';
import { describe, expect, it, onTestFinished } from 'vitest';
import { auditKeys } from '../src/index.ts';

const require = createRequire(import.meta.url);
const PATH = '/.well-known/forge-audit-keys';

const newKey = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;

function signWith(keys: KeyRing | undefined): void {
  const signing = keys && { mode: 'event' as const, keys };
  const pipeline = createAuditPipeline({ producer: 'svc', sink: memorySink(), signing });
  onTestFinished(registerPipeline(pipeline));
}

describe.each(['express4', 'express5'])('the keys on %s', (version) => {
  const express = require(version) as () => Express;

  async function serve(mount?: string): Promise<string> {
    const app = express();
    if (mount === undefined) app.use(auditKeys());
    else app.use(mount, auditKeys({ maxAgeSeconds: 60 }));
    app.use((_request, response) => void response.status(418).end('of the application'));
    const server = app.listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  it('are those of the ring, before and after a rotation', async () => {
    const keys = createKeyRing({ key: newKey(), kid: 'first' });
    signWith(keys);
    const url = await serve();
    keys.rotate({ key: newKey(), kid: 'second' });
    const response = await fetch(`${url}${PATH}?x=1`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/jwk-set+json');
    expect(response.headers.get('cache-control')).toBe('public, max-age=300');
    expect(await response.json()).toEqual(keys.jwks());
    const head = await fetch(`${url}${PATH}`, { method: 'HEAD' });
    expect([head.status, await head.text()]).toEqual([200, '']);
  });

  it('may be mounted where they are', async () => {
    signWith(createKeyRing({ key: newKey() }));
    const response = await fetch(`${await serve(PATH)}${PATH}`);
    expect([response.status, response.headers.get('cache-control')]).toEqual([200, 'public, max-age=60']);
  });

  it('are not there where nothing is signed, or nothing is started', async () => {
    const url = await serve();
    expect((await fetch(`${url}${PATH}`)).status).toBe(404);
    signWith(undefined);
    const response = await fetch(`${url}${PATH}`);
    expect([response.status, response.headers.get('cache-control')]).toEqual([404, 'no-store']);
  });

  it('leave everything else to the application', async () => {
    const url = await serve();
    expect((await fetch(`${url}${PATH}`, { method: 'POST' })).status).toBe(418);
    for (const path of ['/', `${PATH}/`, `/x${PATH}`, '/.well-known/forge-audit-keys2']) {
      expect((await fetch(`${url}${path}`)).status).toBe(418);
    }
  });

  it('that cannot be had are an answer, and no error of the application', async () => {
    const keys = createKeyRing({ key: newKey() });
    keys.jwks = () => {
      throw new Error('no');
    };
    signWith(keys);
    expect((await fetch(`${await serve()}${PATH}`)).status).toBe(503);
  });
});

it.each([-1, 1.5, 86_401, '60' as never])('maxAgeSeconds cannot be %j', (maxAgeSeconds) => {
  expect(() => auditKeys({ maxAgeSeconds })).toThrow(expect.objectContaining({ code: 'SPANLEDGER_OPTION' }));
});
