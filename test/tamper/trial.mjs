// One sound ledger after the other, tampered with in every way; and one large one that is not.
import { canonicalBytes } from '@spanledger/protocol';
import { LedgerVerifier } from '@spanledger/ledger';
import { createKey, createRotatingSigner, createVerifySignature, sha256 } from './keys.mjs';
import { cleanLedger, smallLedger } from './ledger-model.mjs';
import { below, randomFrom } from './random.mjs';
import { TAMPERINGS, isFound, tamper } from './tamperings.mjs';

/** Of one ledger; then a new one is made. */
const TAMPERINGS_EACH = 100;
/** Signed with one key; then the next one signs. */
const EVENTS_EACH_KEY = 200;
const SIGP = 'jcs-1';

/**
 * @param {object} how
 * @param {number} how.count of tamperings
 * @param {number} how.seed
 * @param {(done: number) => void} [how.progress]
 * @returns for each kind how many were tried and found, and what was not found
 */
export function tamperTrial({ count, seed, progress = () => {} }) {
  const random = randomFrom(seed);
  const key = createKey('k1');
  const attacker = createAttacker();
  const names = Object.keys(TAMPERINGS);
  const kinds = Object.fromEntries(names.map((name) => [name, { tried: 0, found: 0 }]));
  const missed = [];
  let records;
  let verifySignature;
  for (let done = 0; done < count; done += 1) {
    if (done % TAMPERINGS_EACH === 0) {
      records = smallLedger(random, key.signer);
      verifySignature = createVerifySignature();
      const findings = check(records, key.publicKey, verifySignature);
      if (findings.length > 0) missed.push({ name: 'nothing at all', findings });
    }
    const name = names[done % names.length];
    const tampered = tamper(random, name, { records, attacker });
    const findings = check(shuffledSometimes(random, tampered.records), key.publicKey, verifySignature);
    kinds[name].tried += 1;
    if (isFound(findings, tampered.expected)) kinds[name].found += 1;
    else missed.push({ name, expected: tampered.expected, findings });
    if (done % 1_000 === 0) progress(done);
  }
  return { kinds, missed };
}

/** @returns what is found in a sound ledger of so many events: only the losses that were reported */
export function cleanTrial({ count, seed, signs, progress = () => {} }) {
  const keys = ['k1', 'k2', 'k3'].map(createKey);
  const signatures = {
    keys: keys.map(({ publicKey }) => publicKey),
    verifySignature: createVerifySignature(),
    ...(signs && { required: signs }),
  };
  const signer = signs && createRotatingSigner(keys, EVENTS_EACH_KEY);
  const verifier = new LedgerVerifier({ sha256, ...(signs && { signatures }) });
  for (const record of cleanLedger(randomFrom(seed), { count, signer, signs })) {
    verifier.add(record);
    if (record.streamSeq % 10_000 === 0) progress(record.streamSeq);
  }
  const { findings, runs, ...counts } = verifier.report();
  const alarms = findings.filter(({ cause }) => cause !== 'loss');
  const superseded = runs.filter((run) => run.superseded).length;
  return { ...counts, runs: runs.length, superseded, alarms };
}

function check(records, publicKey, verifySignature) {
  const signatures = { keys: [publicKey], verifySignature, required: 'event' };
  const verifier = new LedgerVerifier({ sha256, signatures });
  for (const [index, { bytes, subject }] of records.entries()) verifier.add({ bytes, subject, streamSeq: index + 1 });
  return verifier.report().findings;
}

/** The order of reading must not matter. */
function shuffledSometimes(random, records) {
  if (random() < 0.8) return records;
  const rest = [...records];
  return records.map(() => rest.splice(below(random, rest.length), 1)[0]);
}

/** Somebody with a key that no reader has pinned. */
function createAttacker() {
  const { signer } = createKey('mallory');
  const signed = (event, { kid }) => {
    const unsigned = { ...event, kid, sigp: SIGP };
    return { ...unsigned, sig: Buffer.from(signer.sign(canonicalBytes(unsigned))).toString('base64') };
  };
  return { kid: signer.kid, signed };
}
