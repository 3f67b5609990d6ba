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
    cases: new Map([
      [1, LOST],
      [2, LOST],
    ]),
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
    find: 'const tail = this.#tails.get(runId);',
    replace: 'this.#advance(sent);\n        const tail = this.#tails.get(runId);',
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
    // "After signing" means here: once whatever may take a while is over. There is no signature yet to wait for.
    name: 'seq-later',
    breaks: 'a number is given in the hook, and never twice (I1, I3)',
    file: 'protocol/dist/seal.js',
    find: 'chain.seq = seq;\n    chain.head = hash;',
    replace: 'queueMicrotask(() => {\n        chain.seq = seq;\n        chain.head = hash;\n    });',
    cases: new Map([[9, /a reader sees \d+ events twice/]]),
  },
];
