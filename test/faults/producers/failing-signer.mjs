// Keys that sign, fail now and then for a stretch of events, and rotate.
import { generateKeyPairSync } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { createKeyRing } from '@spanledger/audit';

const newKey = () => generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' });

/**
 * @param {object} options
 * @param {number} options.every of so many signatures …
 * @param {number} options.fails … so many fail, the first ones excepted, for a run to have begun
 * @param {number} options.rotateEvery signatures
 * @param {string} options.jwksFile where the public keys of them all are
 * @returns signing options of a pipeline
 */
export function failingSigning({ every, fails, rotateEvery, jwksFile }) {
  const ring = createKeyRing({ key: newKey() });
  const publish = () => writeFileSync(jwksFile, JSON.stringify(ring.jwks()));
  let signatures = 0;
  publish();
  const keys = {
    get kid() {
      return ring.kid;
    },
    sign(bytes) {
      signatures += 1;
      if (signatures % every >= every - fails) throw new Error('the signer is down');
      if (signatures % rotateEvery === 0) process.nextTick(rotate);
      return ring.sign(bytes);
    },
    jwks: () => ring.jwks(),
  };
  return { mode: 'event', keys };

  function rotate() {
    ring.rotate({ key: newKey() });
    publish();
  }
}
