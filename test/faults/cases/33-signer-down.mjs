// The signer fails for a while, again and again, and its key is rotated in between: what could not be signed is a reported loss
// under a number of its own, and nothing is ever stored without a signature.
import { createPublicKey, verify } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { readJwks } from '@spanledger/protocol';
import { startNats } from '@spanledger/testkit';
import { account } from '../lib/accounting.mjs';
import { startProducer } from '../lib/producer-process.mjs';

export default {
  number: 33,
  title: 'signer down, key rotated',
  quick: true,
  mayReportLosses: true,
  minimum: { quick: { offered: 4_000, faults: 50 }, full: { offered: 100_000, faults: 1_000 } },

  async run(context) {
    const jwksFile = path.join(context.directory, 'jwks.json');
    const server = context.own(await startNats());
    const producer = await startProducer(context, {
      servers: server.url,
      signing: { every: 1_000, fails: 20, rotateEvery: context.quick ? 1_500 : 10_000, jwksFile },
    });
    const { minimum } = this;
    const least = minimum[context.quick ? 'quick' : 'full'].offered;
    await producer.says('it does not go on', ({ offered }) => offered > 1.1 * least, 300_000);
    const { health } = await producer.finish();
    const jwks = JSON.parse(readFileSync(jwksFile, 'utf8'));
    const signatures = { keys: readJwks(jwks), required: 'event', verifySignature };
    const figures = await account({ servers: server.url, producers: [producer], signatures });
    if (jwks.keys.length < 3) figures.problems.push(`only ${jwks.keys.length} keys were used`);
    figures.notes.keys = jwks.keys.length;
    return { faults: health.losses.events, ...figures };
  },
};

function verifySignature({ x }, bytes, signature) {
  return verify(null, bytes, createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } }), signature);
}
