/*
 * What a disk would have, from a record of strace: which positions were written to which file, and which syncs of it
 * succeeded. A sync that failed has dropped what was written to that file: no later sync of it brings that back.
 *
 * It reads frames by their format, and nothing that the journal says of itself, but for `d <position>`, which it judges.
 */
import { readFileSync } from 'node:fs';

const CALLS = ['pwrite64', 'write', 'fdatasync'];
const FRAME_HEADER_BYTES = 26;
const UNFINISHED = ' <unfinished ...>';

/** To be put before a program. The thread that syncs is one, as strace counts calls by thread. */
export function straceWith(log, ...injections) {
  const inject = injections.flatMap((one) => ['-e', `inject=${one}`]);
  const trace = ['-e', `trace=${CALLS.join()}`, '-s', `${FRAME_HEADER_BYTES}`, '-xx'];
  return ['env', 'UV_THREADPOOL_SIZE=1', 'strace', '-f', '-y', '-qq', '-o', log, ...trace, ...inject];
}

/** @returns how many calls failed by injection, and the positions that were called durable and were not. */
export function judgeTrace(log) {
  const pending = new Map();
  const begun = new Map();
  const durable = new Set();
  const judged = { injected: 0, falselyDurable: [], said: 0 };
  for (const line of readFileSync(log, 'utf8').split('\n')) {
    if (line.includes('(INJECTED)')) judged.injected += 1;
    const [thread] = line.split(' ', 1);
    const call = /^\d+\s+(?:<\.\.\. )?(\w+)/.exec(line)?.[1];
    if (call === 'pwrite64') noteWrite(pending, line);
    else if (call === 'write') judgeSaid(judged, durable, line);
    else if (call === 'fdatasync') noteSync({ pending, begun, durable }, thread, line);
  }
  return judged;
}

/** A write that failed wrote nothing that counts; one whose end is elsewhere is a write of zeros by another thread. */
function noteWrite(pending, line) {
  const [, hexFile, hexBytes] = /pwrite64\(\d+<([^>]*)>, "([^"]*)"/.exec(line) ?? [];
  if (hexFile === undefined || line.includes(' = -1 ')) return;
  const file = fileName(hexFile);
  const bytes = bytesOf(hexBytes);
  if (!file.endsWith('.journal') || bytes.length < FRAME_HEADER_BYTES || bytes[4] !== 0xf5) return;
  const positions = pending.get(file) ?? new Set();
  pending.set(file, positions.add(bytes.readUIntLE(10, 6)));
}

function noteSync({ pending, begun, durable }, thread, line) {
  const opened = /fdatasync\(\d+<([^>]*)>/.exec(line);
  if (opened !== null) {
    const file = fileName(opened[1]);
    begun.set(thread, { file, positions: [...(pending.get(file) ?? [])] });
  }
  if (line.endsWith(UNFINISHED)) return;
  const { file, positions } = begun.get(thread);
  if (line.includes(' = 0')) for (const position of positions) durable.add(position);
  if (line.includes(' = -1 ')) pending.delete(file);
}

function judgeSaid(judged, durable, line) {
  const text = bytesOf(/write\(1<[^>]*>, "([^"]*)"/.exec(line)?.[1] ?? '').toString();
  const upTo = Number(/^d (\d+)\n/.exec(text)?.[1] ?? 0);
  if (upTo > 0) judged.said += 1;
  for (let position = 1; position <= upTo; position += 1) {
    if (!durable.has(position)) judged.falselyDurable.push(position);
  }
}

/** With `-xx` names are in hexadecimal too. */
function fileName(text) {
  return text.includes('\\x') ? bytesOf(text).toString() : text;
}

function bytesOf(text) {
  return Buffer.from(text.replaceAll('\\x', ''), 'hex');
}
