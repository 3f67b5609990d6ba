import { createPrivateKey, createPublicKey, generateKeyPairSync, hash, sign, verify } from 'node:crypto';

export const sha256 = (bytes) => hash('sha256', bytes, 'hex');

/** A signer and its public key, as a reader pins it. */
export function createKey(kid) {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  const { x } = publicKey.export({ format: 'jwk' });
  const key = createPrivateKey(privateKey.export({ format: 'pem', type: 'pkcs8' }));
  return { signer: { kid, sign: (bytes) => sign(null, bytes, key) }, publicKey: { kid, x } };
}

/** Signs with one key after the other, so many events with each: as where keys are rotated while runs go on. */
export function createRotatingSigner(keys, eventsEach) {
  let signed = 0;
  const active = () => keys[Math.floor(signed / eventsEach) % keys.length].signer;
  return {
    get kid() {
      return active().kid;
    },
    sign(bytes) {
      const signature = active().sign(bytes);
      signed += 1;
      return signature;
    },
  };
}

/** Asked the same thing again, as for every event that was not touched, it answers from memory. */
export function createVerifySignature() {
  const keys = new Map();
  const answers = new Map();
  return ({ x }, bytes, signature) => {
    const question = `${x} ${Buffer.from(signature).toString('base64')} ${sha256(bytes)}`;
    if (!answers.has(question)) {
      if (!keys.has(x)) keys.set(x, createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }));
      answers.set(question, verify(null, bytes, keys.get(x), signature));
    }
    return answers.get(question);
  };
}
