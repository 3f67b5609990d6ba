import { readFileSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, it } from 'vitest';

const ROOT = path.resolve(import.meta.dirname, '..');

/** Every line that our packages log with something of other code's in it, and the test that plants secrets there. `…` is what differs. */
const PLANTED: Readonly<Record<string, readonly string[]>> = {
  'redacted-log.int': [
    'trustInbound threw; its headers are not trusted:',
    'workflow headers were not written:',
    'the trace context of a message could not be read:',
    'who answered a request was not noted:',
    'a span was not stamped:',
    'producer … is not visible ASCII: X-Invocation-Caller is not sent',
    'the OpenTelemetry SDK did not shut down cleanly:',
    'NATS cannot be reached at …, and is tried until it is:',
  ],
  'redacted-audit-log.int': [
    'an event could not be signed, and is lost (reported once):',
    'the signing keys could not be closed:',
    'the public keys cannot be served:',
    'events are signed with the key … from now on, no more with …',
    'more than … keys were rotated, so … is no longer served',
    'an event could not be sealed (reported once):',
    'the event bus has thrown; events are stored, and may be missing on it (reported once):',
    'a listener of the event bus has thrown; it goes on getting events:',
    'the events of a task cannot be served:',
    'a redaction policy failed (…), and its event has no payload (reported once)',
    'sink … stores again',
    'a sink must not reject:',
    'the store of attempts could not be closed:',
    'attempts are counted in this process alone, as long as … is not available:',
    'attempts are counted in … again',
    'an attempt of step … is counted in this process alone, because of …: …',
    'the start of step … was not noted in the store of attempts:',
  ],
  'redacted-journal-log.int': [
    'the journal has a problem:',
    'the journal refuses events, which are kept in memory only:',
    'the journal could not be read, and is read again later:',
    'the journal could not be closed:',
    '… events are left in the journal for the next process of … to publish',
    'journals of dead processes could not be looked for:',
    'the journal … of a dead process could not be taken over:',
    'the end of the process of … could not be reported:',
    'a journal is damaged, and kept in the quarantine beside it: …',
    'the signing key … can be read by everyone on this machine: chmod o= it',
    'events are signed on with the key there was: …',
    '… could not be synced:',
    '… could not be closed:',
  ],
  'redacted-node-log.int': [
    'there is no journal, so what is not yet in the ledger is lost with this process: … ',
    'the journal … is on … and ends …, with what is not yet in the ledger: ',
    'no NATS server is configured (SPANLEDGER_NATS_URL), so the ledger is a local file: …',
    '…the stream was neither made nor checked: …',
    '…the stream exists and is not changed, but its … is … and should be …',
    'transcripts: …',
    'error.message',
    'the unused journal could not be removed:',
  ],
  'redaction.int': [
    'sink … … an event:',
    'sink … could not be closed:',
    'a transcript of a span is not stored (…; reported once):',
    '… (reported once):',
  ],
};

/** What tests look for where that is in no part of the line that is always the same. */
const LOOKED_FOR: Readonly<Record<string, string>> = {
  'the journal … is on … and ends …, with what is not yet in the ledger: ': 'mount a volume',
  'error.message': 'does not store events',
  'transcripts: …': 'transcripts: stream',
  'sink … … an event:': 'refused an event',
  '… (reported once):': 'a designation rule threw',
};

/** Those that are ours to the last word: texts and numbers. */
const OURS = [
  'events are signed again',
  'the journal takes events again',
  'the queue has room again',
  'the queue is full (… events): what follows is lost, and will be reported as audit_loss',
  'the stream may have lost events that it had acknowledged: what the journals still have is published again',
  'an event came after shutdown and is lost (reported once)',
  'shut down with losses that are not in the ledger: … events',
  'publishing … events that a dead process has left',
  'flushed in part: the deadline came before the last events were stored',
  'trustInbound must return true, false or "verified" at once; its headers are not trusted',
  'NATS is reached now',
  'the process ended before the ledger had … events: they are lost',
  'http was loaded before Spanledger, so libraries loaded before it may not be traced: ',
  'the SDK that was made with withSpanledger() is not the one that is in use:', // which parts are missing
  'message', // the same
  'NO_CONTENT_OF_LOGS',
];

/** Where something else writes than the redacted logger. */
const WRITERS = [
  'audit/src/pipeline/registry.ts', // a text of ours
  'node/src/diagnostics.ts', // is given the logger's lines
  'node/src/register.ts', // redacted in it
  'otel/src/redaction/redacted-logger.ts',
];

const CALL = /\b(?:log|logger)\.(?:error|warn|info|debug|verbose)\(\s*(?:(['`])([^]*?)\1|([\w.]+))/g;
const WRITING = /\bconsole\.\w|\bdiag\.(?!disable)\w+\(|\bstderr\.write\(|\bemitWarning\(/;

/** What services run; the command line writes for who runs it. */
const sources = readdirSync(path.join(ROOT, 'packages'), { recursive: true, encoding: 'utf8' })
  .filter((file) => /^(?!cli\/|testkit\/)[^/]+\/src\/.*\.ts$/.test(file))
  .map((file) => ({ file, text: readFileSync(path.join(ROOT, 'packages', file), 'utf8') }));

it('every line that is logged is in the list, and none besides', () => {
  const logged = sources.flatMap(({ text }) =>
    [...text.matchAll(CALL)].map(([, , literal, expression]) => expression ?? literal!.replace(/\$\{[^}]*\}/g, '…')),
  );
  expect(new Set(logged)).toEqual(new Set([...Object.values(PLANTED).flat(), ...OURS]));
});

it.each(Object.entries(PLANTED))('each of them is looked for by the test that is named: %s', (name, lines) => {
  const test = readFileSync(path.join(import.meta.dirname, `${name}.test.ts`), 'utf8');
  const quoted = [...test.matchAll(/'((?:[^'\\\n]|\\.)*)'/g)].map(([, text]) => text!.replace('[REDACTED]', '…'));
  const isThere = (line: string): boolean =>
    quoted.some((text) => (line in LOOKED_FOR ? text === LOOKED_FOR[line] : text.length > 8 && line.includes(text)));
  expect(lines.filter((line) => !isThere(line))).toEqual([]);
});

it('nothing is written but through the logger that redacts', () => {
  const writing = sources.filter(({ text }) => WRITING.test(text)).map(({ file }) => file);
  expect(writing.toSorted()).toEqual(WRITERS);
});
