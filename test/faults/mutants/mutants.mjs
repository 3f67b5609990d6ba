/*
 * The guarantees, each broken on purpose in one place. Of each: the sentence that is no longer true; the file, below
 * `packages`, as it was built; the text that is there once, and what takes its place; and the cases that must turn red, with
 * what they must say, so that a mutant under which nothing runs at all does not count as seen.
 */

const LOST = /neither stored nor reported|: lost /;
const FALSELY_DURABLE = /was called durable and was not/;

export const MUTANTS = [
  {
    name: 'no-fsync',
    breaks: 'what is called durable is on the disk',
    file: 'audit/dist/journal/segment.js',
    find: 'await files.fdatasync(this.#fd);',
    replace: '',
    cases: new Map([
      [6, LOST],
      [17, FALSELY_DURABLE],
    ]),
  },
  {
    name: 'write-after-the-hook',
    breaks: 'an event is in the journal before the hook returns (I1)',
    file: 'audit/dist/journal/segment.js',
    find: 'writeWhole(this.#fd, frame, length, end);',
    replace: `const fd = this.#fd;
        const copy = Buffer.from(frame.subarray(0, length));
        setImmediate(() => writeWhole(fd, copy, length, end));`,
    // It ends within the turn of its last event, every time; a kill only sometimes hits what is not yet written.
    cases: new Map([[20, LOST]]),
  },
  {
    name: 'no-dedupe-id',
    breaks: 'what is published again is a duplicate for the server (P1)',
    file: 'jetstream/dist/publish-headers.js',
    find: '\\r\\nNats-Msg-Id: ${messageId(event)}${suffix}',
    replace: '',
    cases: new Map([[9, /has stored \d+ messages twice/]]),
  },
  {
    name: 'no-retention',
    breaks: 'acknowledged events are kept for the case that the server loses them',
    file: 'audit/dist/journal/segment-set.js',
    find: 'closeSynced() {',
    replace: 'closeSynced() {\n        this.#remove(this.#removable());',
    // Whoever keeps nothing has nothing to ask the server for, either.
    cases: new Map([[7, /nobody says that the stream went backwards|neither stored nor reported/]]),
  },
  {
    name: 'nothing-published-again',
    breaks: 'what a server has lost is published again from what was kept',
    file: 'audit/dist/delivery/journal-feed.js',
    find: 'this.#againThrough = this.#source.position;',
    replace: '',
    cases: new Map([[7, LOST]]),
  },
  {
    name: 'checkpoint-before-acknowledgement',
    breaks: 'a checkpoint names only what is stored (I9)',
    file: 'audit/dist/delivery/run-heads.js',
    find: 'return sent;',
    replace: 'this.#advance(sent);\n        return sent;',
    cases: new Map([[13, /the checkpoint at .* (comes before|names)/]]),
  },
  {
    name: 'chain-skipped',
    breaks: 'every event holds the hash of the one before',
    file: 'protocol/dist/seal.js',
    find: 'chain.head = hash;',
    replace: '',
    cases: new Map([[9, /does not link to the one before/]]),
  },
  {
    name: 'seq-later',
    breaks: 'a number is given in the hook, and never twice (I1, I3)',
    file: 'protocol/dist/seal.js',
    find: 'chain.seq = seq;\n    chain.head = hash;',
    replace: 'queueMicrotask(() => {\n        chain.seq = seq;\n        chain.head = hash;\n    });',
    cases: new Map([[9, /a reader sees \d+ events twice/]]),
  },
  {
    name: 'seq-after-signing',
    breaks: 'a number is given before the signature, so that one that fails leaves a gap that can be seen (I3)',
    file: 'protocol/dist/seal.js',
    find: 'chain.seq = seq;',
    replace: "if (!('cause' in outcome)) chain.seq = seq;",
    cases: new Map([[33, LOST]]),
  },
  {
    name: 'acknowledged-when-sent',
    breaks: 'an event is acknowledged only when the sink has answered (P3)',
    file: 'audit/dist/delivery/delivery-queue.js',
    find: 'written.then((outcome) => this.#answer(delivery, checkedOutcome(outcome)), failed);',
    replace: "this.#answer(delivery, { status: 'stored' });",
    // It is found out later, and published again from what was kept; but by then checkpoints have named it.
    cases: new Map([
      [1, /the checkpoint at .* comes before|neither stored nor reported/],
      [20, /the checkpoint at .* comes before|neither stored nor reported/],
    ]),
  },
  {
    name: 'nothing-adopted',
    breaks: 'what a dead process has left is published by the next one',
    file: 'audit/dist/journal/open-journal.js',
    find: 'dead.push(folder);',
    replace: '{}',
    // Where all of it was acknowledged before the kill, its open runs are all that is missing.
    cases: new Map([[1, new RegExp(`${LOST.source}|was abandoned, and nobody says so`)]]),
  },
  {
    name: 'nobody-says-what-was-abandoned',
    breaks: 'the open runs of a dead process are named',
    file: 'audit/dist/instance/inherited-journal.js',
    find: "return this.#options.emit(scope, { event: 'run_abandoned', fields });",
    replace: 'return true;',
    cases: new Map([[1, /was abandoned, and nobody says so/]]),
  },
  {
    name: 'again-not-said',
    breaks: 'a repetition after a crash is not taken for somebody else (I9)',
    file: 'audit/dist/delivery/journal-feed.js',
    find: 'again: position <= this.#givenThrough,',
    replace: 'again: false,',
    cases: new Map([[1, /takes its own repetitions for somebody else|messages twice/]]),
  },
  {
    name: 'unacknowledged-removed',
    breaks: 'what is not acknowledged stays in the journal',
    file: 'audit/dist/journal/segment-set.js',
    find: 'closeSynced() {',
    replace: `closeSynced() {
        this.#remove(this.#segments.filter((segment) => segment !== this.#active && !segment.isOpen));`,
    cases: new Map([[7, /nobody says that the stream went backwards|neither stored nor reported/]]),
  },
  {
    name: 'same-file-synced-again',
    breaks: 'what a failed sync leaves is written again elsewhere, not synced again',
    file: 'audit/dist/journal/journal-writer.js',
    find: 'this.#options.onProblem(error);\n            this.#writeAgain();\n            throw error;',
    replace: 'this.#options.onProblem(error);\n            throw error;',
    cases: new Map([[17, FALSELY_DURABLE]]),
  },
  {
    name: 'torn-tail-is-damage',
    breaks: 'a write that was cut short is no corruption (I9)',
    file: 'audit/dist/journal/scan-segment.js',
    find: 'torn: isTail && !wasLastFrame',
    replace: 'torn: false',
    cases: new Map([[18, /a verdict of corruption/]]),
  },
  {
    name: 'checksum-ignored',
    breaks: 'what is no whole frame is no event',
    file: 'audit/dist/journal/frame.js',
    find: 'crc32(checked) === bytes.readUInt32LE(offset) ? length : undefined',
    replace: 'length',
    cases: new Map([[19, /: not found$|cannot be adopted/]]),
  },
  {
    name: 'damage-not-kept',
    breaks: 'a damaged file is kept aside',
    file: 'audit/dist/journal/quarantine.js',
    find: 'if (damaged.size === 0)',
    replace:
      'mkdirSync(path.join(path.dirname(journal), QUARANTINE), { recursive: true });\n    if (damaged.size >= 0)',
    cases: new Map([[19, /is not kept aside as it was/]]),
  },
  {
    name: 'lock-not-asked',
    breaks: 'a journal has one owner',
    file: 'audit/dist/journal/folder-lock.js',
    find: 'if (await place.listens(generation))\n                break;',
    replace: '',
    // Or two have adopted it, and one finds its folder removed by the other.
    cases: new Map([[23, /a live journal was adopted|no such file or directory, scandir '\S+\/faults\/[\da-f-]{36}'/]]),
  },
  {
    name: 'no-probe',
    breaks: 'after an interruption the server is asked whether it still has what it had',
    file: 'audit/dist/delivery/rollback-watch.js',
    find: 'options.sink.onResume?.(() => void this.#probe());',
    replace: '',
    cases: new Map([[7, /nobody says that the stream went backwards|neither stored nor reported/]]),
  },
  {
    name: 'no-final-checkpoint',
    breaks: 'a process that ends in order says so, last',
    file: 'audit/dist/pipeline/shutdown.js',
    find: 'writeFinal(parts);',
    replace: '{}',
    cases: new Map([[9, /have left no final checkpoint/]]),
  },
  {
    name: 'no-checkpoints',
    breaks: 'every run is named in a checkpoint as far as it goes, so that its end cannot be cut off unseen',
    file: 'audit/dist/instance/checkpoints.js',
    find: 'const named = heads.take(this.#runsMax);',
    replace: 'const named = [];',
    cases: new Map([[26, /nothing shows/]]),
  },
  {
    name: 'loss-not-reported',
    breaks: 'what is lost is in the ledger as a loss (I3)',
    file: 'audit/dist/pipeline/loss-reporter.js',
    find: 'if (this.#closed || this.#retryInMs > 0)',
    replace: 'if (this.#retryInMs >= 0)',
    cases: new Map([[22, LOST]]),
  },
  {
    name: 'exit-code-lost',
    breaks: 'a process keeps its exit code',
    file: 'node/dist/process-end.js',
    find: 'process.exit(128 + constants.signals[signal]);',
    replace: 'process.exit(0);',
    cases: new Map([[20, /SIGTERM ended with 0/]]),
  },
];
