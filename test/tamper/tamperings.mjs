// What somebody with write access to the store, and without the key, may do to a ledger. Each says what must be found.
import { createChain } from '@spanledger/protocol';
import { sha256 } from './keys.mjs';
import { below, pick } from './random.mjs';

const parse = ({ bytes }) => JSON.parse(Buffer.from(bytes).toString());

/** The same record with another event in it. */
function withEvent(record, event) {
  const bytes = Buffer.from(JSON.stringify(event));
  return { ...record, bytes, hash: sha256(bytes) };
}

const without = (records, gone) => records.filter((record) => !gone.includes(record));
const replaced = (records, from, to) => records.map((record) => (record === from ? to : record));

/** Runs other than the instance runs, which end in checkpoints. */
function victims(records) {
  const runs = new Map();
  for (const record of records) runs.set(record.runId, [...(runs.get(record.runId) ?? []), record]);
  return [...runs.values()].filter((run) => parse(run[0]).event === 'invocation_started');
}

/** At exactly this number, or in a range of missing ones that begins with it. */
const at = (causes, { runId, seq }) => ({ causes, runId, seq });

function editField(random, { records, run }) {
  const victim = pick(random, run);
  const event = parse(victim);
  const [key, causes] = pick(random, EDITS);
  const changed = { ...event, [key]: EDIT_VALUES[key] ?? `${event[key] ?? ''}x` };
  return { records: replaced(records, victim, withEvent(victim, changed)), expected: at(causes, victim) };
}

const BAD = ['signature_invalid'];
/** The identity of an event is in its signature, its subject and its place: a changed number leaves a hole. */
const MOVED = ['gap', 'checkpoint_mismatch'];
const EDIT_VALUES = {
  ts: '2027-01-01T00:00:00.000000Z',
  fields: { note: 'as it should have been' },
  duration_ms: 1,
  seq: 4_000_000,
  run_id: '01a2ffff-0000-7000-8000-000000000000',
  prev_hash: 'f'.repeat(64),
  sig: `${'A'.repeat(86)}==`,
  kid: 'other',
};
const EDITS = [
  ...[
    'ts',
    'event',
    'producer',
    'workflow_id',
    'step_id',
    'fields',
    'duration_ms',
    'model',
    'sigp',
    'sig',
    'prev_hash',
  ].map((key) => [key, BAD]),
  ['schema_version', BAD],
  ['correlation_id', BAD],
  ['workflow_execution_id', BAD],
  ['kid', ['signature_unknown_key']],
  ['seq', MOVED],
  ['run_id', MOVED],
];

/** One bit of the bytes: what is then no event, or one of another run, leaves a hole. */
function flipBit(random, { records, run }) {
  const victim = pick(random, run);
  const bytes = Uint8Array.from(victim.bytes);
  bytes[below(random, bytes.length)] ^= 1 << below(random, 8);
  const causes = [...BAD, ...MOVED, 'signature_unknown_key', 'signature_missing', 'conflict', 'broken_chain'];
  return {
    records: replaced(records, victim, { ...victim, bytes, hash: sha256(bytes) }),
    expected: at(causes, victim),
  };
}

function drop(random, { records, run }) {
  const victim = pick(random, run);
  const causes = victim === run.at(-1) ? ['checkpoint_mismatch'] : ['gap'];
  return { records: without(records, [victim]), expected: at(causes, victim) };
}

function insert(random, { records, run }) {
  const victim = pick(random, run);
  const forged = withEvent(victim, { ...parse(victim), event: 'auth_verify' });
  return { records: records.toSpliced(below(random, records.length), 0, forged), expected: at(['conflict'], victim) };
}

function swapNumbers(random, { records, run }) {
  const index = below(random, run.length - 1);
  const [a, b] = [run[index], run[index + 1]];
  const swapped = replaced(records, a, withEvent(a, { ...parse(a), seq: b.seq }));
  return { records: replaced(swapped, b, withEvent(b, { ...parse(b), seq: a.seq })), expected: at(BAD, a) };
}

function splice(random, { records, run, runs }) {
  const victim = pick(random, run);
  const other = pick(
    random,
    runs.filter((one) => one !== run),
  );
  const donor = pick(random, other);
  const { runId, seq, subject } = victim;
  const moved = withEvent({ ...donor, runId, seq, subject }, { ...parse(donor), run_id: runId, seq });
  return { records: replaced(records, victim, moved), expected: at(BAD, victim) };
}

/** The same bytes, as if they belonged to another execution. */
function replay(random, { records, run, runs }) {
  const victim = pick(random, run);
  const { subject } = pick(
    random,
    runs.filter((one) => one !== run),
  )[0];
  const expected = at(['subject_mismatch', 'producer_mismatch'], victim);
  return { records: records.toSpliced(below(random, records.length), 0, { ...victim, subject }), expected };
}

function stripSignature(random, { records, run }) {
  const victim = pick(random, run);
  const { kid: _, sigp: __, sig: ___, ...bare } = parse(victim);
  return { records: replaced(records, victim, withEvent(victim, bare)), expected: at(['signature_missing'], victim) };
}

/** With a key of one's own; under its own name, or the name of the true one. */
function signAnew(random, { records, run, attacker }) {
  const victim = pick(random, run);
  const isHonest = random() < 0.5;
  const signer = isHonest ? attacker : { ...attacker, kid: parse(victim).kid };
  const { kid: _, sigp: __, sig: ___, ...bare } = parse(victim);
  const signed = attacker.signed({ ...bare, event: 'auth_verify' }, signer);
  const causes = isHonest ? ['signature_unknown_key'] : BAD;
  return { records: replaced(records, victim, withEvent(victim, signed)), expected: at(causes, victim) };
}

function cutTail(random, { records, run }) {
  const cut = run.slice(1 + below(random, run.length - 1));
  return { records: without(records, cut), expected: at(['checkpoint_mismatch'], cut[0]) };
}

function deleteRun(random, { records, run }) {
  return { records: without(records, run), expected: at(['checkpoint_mismatch'], run[0]) };
}

/** Also what names it, in the checkpoints: they are signed. */
function deleteRunAndMention(random, { records, run }) {
  const [{ runId }] = run;
  const naming = records.find((record) => parse(record).fields?.runs?.some((one) => one.run_id === runId));
  const event = parse(naming);
  const fields = { ...event.fields, runs: event.fields.runs.filter((one) => one.run_id !== runId) };
  const silent = withEvent(naming, { ...event, fields });
  return { records: replaced(without(records, run), naming, silent), expected: at(BAD, naming) };
}

/** From some event on everything is written anew, each linked to the one before. */
function rewriteRest(random, { records, run, attacker }) {
  const from = below(random, run.length);
  const chain = { ...createChain(run[0].runId), head: from === 0 ? '0'.repeat(64) : run[from - 1].hash };
  const how = pick(random, ['none', 'own', 'old']);
  let result = records;
  for (const [index, record] of run.slice(from).entries()) {
    const { kid, sigp, sig, ...bare } = parse(record);
    const event = { ...bare, prev_hash: chain.head, ...(index === 0 && { fields: { note: 'anew' } }) };
    const signed = { none: event, own: attacker.signed(event, attacker), old: { ...event, kid, sigp, sig } }[how];
    const written = withEvent(record, signed);
    chain.head = written.hash;
    result = replaced(result, record, written);
  }
  const causes = { none: ['signature_missing'], own: ['signature_unknown_key'], old: BAD }[how];
  return { records: result, expected: at(causes, run[from]) };
}

export const TAMPERINGS = {
  'edit a field': editField,
  'flip a bit': flipBit,
  'drop an event': drop,
  'insert an event': insert,
  'swap two numbers': swapNumbers,
  'splice from another run': splice,
  'replay in another execution': replay,
  'strip a signature': stripSignature,
  'replace a signature': signAnew,
  'cut the last events': cutTail,
  'delete a run': deleteRun,
  'delete a run and its mention': deleteRunAndMention,
  'rewrite the rest': rewriteRest,
};

/** @returns the records after it, what a reader must find, and of which runs it may find anything. */
export function tamper(random, name, { records, attacker }) {
  const runs = victims(records);
  const run = pick(random, runs);
  const { records: after, expected } = TAMPERINGS[name](random, { records, run, runs, attacker });
  const [before, now] = [new Set(records), new Set(after)];
  const changed = [...records.filter((one) => !now.has(one)), ...after.filter((one) => !before.has(one))];
  const touched = new Set(changed.flatMap((record) => [record.runId, claimedRun(record)]));
  return { records: after, expected: { ...expected, touched } };
}

/** The run that it says it is of, if that can still be read. */
function claimedRun(record) {
  try {
    return parse(record).run_id;
  } catch {
    return undefined;
  }
}

/** Whether a finding names what was done, the right event for one of the right causes, and none is about what was left alone. */
export function isFound(findings, { causes, runId, seq, touched }) {
  const isRight = findings.some((one) => causes.includes(one.cause) && one.runId === runId && one.seq === seq);
  return isRight && findings.every((one) => one.runId === undefined || touched.has(one.runId));
}
