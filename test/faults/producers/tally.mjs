// What a process offered and what was accepted, kept outside of it: `pwrite` reaches the kernel before the next statement
// runs, so `kill -9` takes nothing away. One record per run, two numbers of 4 bytes: events offered, events accepted.
import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';

const RECORD_BYTES = 8;

/** Written by a producer. Numbers within a run are 1, 2, 3, …, in the order of the calls. */
export class Tally {
  /** Of all runs. */
  offered = 0;
  #fd;
  #number = Buffer.alloc(4);

  constructor(file) {
    this.#fd = openSync(file, 'w');
  }

  /** Event `n` of run `r` is about to be emitted. */
  offer(r, n) {
    this.offered += 1;
    this.#write(n, r * RECORD_BYTES);
  }

  /** The hook of event `n` of run `r` has returned. */
  accept(r, n) {
    this.#write(n, r * RECORD_BYTES + 4);
  }

  close() {
    closeSync(this.#fd);
  }

  #write(value, position) {
    this.#number.writeUInt32LE(value);
    writeSync(this.#fd, this.#number, 0, 4, position);
  }
}

/** @returns {{ offered: number, accepted: number }[]} by run */
export function readTally(file) {
  const bytes = readFileSync(file);
  const at = (position) => (position + 4 <= bytes.length ? bytes.readUInt32LE(position) : 0);
  return Array.from({ length: Math.ceil(bytes.length / RECORD_BYTES) }, (_, r) => ({
    offered: at(r * RECORD_BYTES),
    accepted: at(r * RECORD_BYTES + 4),
  }));
}
