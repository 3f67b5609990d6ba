/*
 * Loaded before a program (`--import`), it kills the process with SIGKILL at one chosen file system call of the journal:
 * before it, after it, or, for a write, in the middle of it. The packages contain nothing of this.
 *
 * SPANLEDGER_FAILPOINT is JSON: `{ "log": file }` writes every point that is passed, as `<call> <what> <when>`, or
 * `{ "call", "what", "when", "count" }` kills at the count-th pass of that point; `"share"` is how much of a write is done.
 */
import fs, { appendFileSync, writeSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import path from 'node:path';

const chosen = JSON.parse(process.env['SPANLEDGER_FAILPOINT'] ?? '{}');
const paths = new Map();
let passed = 0;

/** What kind of file it is, to the journal; `undefined` for all that is none of its files. */
function kindOf(file) {
  if (typeof file !== 'string') return undefined;
  const name = path.basename(file);
  if (/^\d{10}\.journal$/.test(name)) return 'segment';
  if (/^\d{10}\.acks$/.test(name)) return 'acks';
  if (/\d{10}\.journal$/.test(name)) return 'quarantine';
  if (/^(lock|claim)-/.test(name)) return 'lock';
  if (name === 'reported') return name;
  return file.startsWith(chosen.directory) ? 'folder' : undefined;
}

function pass(call, what, when, kill = die) {
  if (what === undefined) return;
  if (chosen.log !== undefined) appendFileSync(chosen.log, `${call} ${what} ${when}\n`);
  if (chosen.call !== call || chosen.what !== what || chosen.when !== when) return;
  passed += 1;
  if (passed === chosen.count) kill();
}

function die() {
  process.kill(process.pid, 'SIGKILL');
  // The signal is on its way; not one more call of the program's.
  for (;;);
}

function wrap(target, call, makeWrapper) {
  const original = target[call];
  const wrapper = makeWrapper(original);
  // `util.promisify` finds on the function itself what it resolves with.
  Object.defineProperties(wrapper, Object.getOwnPropertyDescriptors(original));
  target[call] = wrapper;
}

/** However a file is removed, it is one point. */
function pointName(call) {
  return call.replace(/^(rm|unlink)(Sync)?$/, 'remove');
}

/** @param whatOf which file it is, from the call's arguments. */
function wrapSync(name, whatOf, isWrite = false) {
  const call = pointName(name);
  wrap(fs, name, (original) => (...args) => {
    const what = whatOf(args);
    pass(call, what, 'before');
    if (isWrite) pass(call, what, 'middle', () => tearOff(args));
    const result = original(...args);
    if (call === 'openSync') paths.set(result, args[0]);
    pass(call, what, 'after');
    return result;
  });
}

function wrapCallback(name, whatOf) {
  const call = pointName(name);
  wrap(fs, name, (original) => (...args) => {
    const what = whatOf(args);
    const callback = args.pop();
    pass(call, what, 'before');
    original(...args, (error, ...results) => {
      if (call === 'open' && !error) paths.set(results[0], args[0]);
      pass(call, what, 'after');
      callback(error, ...results);
    });
  });
}

function wrapPromise(name, whatOf) {
  const call = pointName(name);
  wrap(fs.promises, name, (original) => async (...args) => {
    const what = whatOf(args);
    pass(call, what, 'before');
    const result = await original(...args);
    pass(call, what, 'after');
    return result;
  });
}

/** The first part of a write, as much as a killed process may have got done. */
function tearOff([fd, bytes, offset, length, position]) {
  realWrite(fd, bytes, offset, Math.floor(length * chosen.share), position);
  die();
}

const realWrite = writeSync;
const byPath = ([file]) => kindOf(file);
const byTarget = ([, file]) => kindOf(file);
const byDescriptor = ([fd]) => kindOf(paths.get(fd));
/** A file is made as long as it will be, and cut when it is closed. */
const byLength = ([fd, length]) => {
  const kind = byDescriptor([fd]);
  return kind === 'segment' && length > fs.fstatSync(fd).size ? 'new-segment' : kind;
};

for (const call of ['openSync', 'mkdirSync', 'rmSync', 'unlinkSync', 'truncateSync']) wrapSync(call, byPath);
wrapSync('linkSync', byTarget);
wrapSync('ftruncateSync', byLength);
for (const call of ['fsyncSync', 'closeSync']) wrapSync(call, byDescriptor);
wrapSync('writeSync', byDescriptor, true);
for (const call of ['open', 'unlink']) wrapCallback(call, byPath);
for (const call of ['fdatasync', 'fsync', 'close', 'ftruncate']) wrapCallback(call, byDescriptor);
for (const call of ['rm', 'unlink', 'rmdir', 'truncate']) wrapPromise(call, byPath);
syncBuiltinESMExports();
