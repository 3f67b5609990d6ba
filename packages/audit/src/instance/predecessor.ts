import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { JsonValue } from '@spanledger/protocol';
import type { RunHead } from '../delivery/run-heads.ts';

const NAME = 'last-instance.json';

/**
 * The instance run before this one, in the same journal directory: one small file beside the journals, written by whichever
 * process came last. The first event of an instance run names it, so the instance runs of a producer are a chain as well.
 */
export class Predecessor {
  readonly #file: string;
  /** `fields.predecessor` of the first event; `undefined` if there is none, or it cannot be read. */
  readonly fields: Readonly<Record<string, JsonValue>> | undefined;

  /** @param journalFolder of this process. */
  constructor(journalFolder: string) {
    this.#file = path.join(path.dirname(journalFolder), NAME);
    this.fields = read(this.#file);
  }

  /** For the next one: up to where this instance run is in the sink. Never throws: what cannot be written is not named. */
  record({ runId, seq, hash }: RunHead): void {
    const text = JSON.stringify({ run_id: runId, last_seq: seq, head_hash: hash });
    const written = `${this.#file}.${runId}`;
    try {
      writeFileSync(written, text, { mode: 0o600 });
      renameSync(written, this.#file);
    } catch {
      // The journal reports what is wrong with the disk.
    }
  }
}

function read(file: string): Record<string, JsonValue> | undefined {
  try {
    const { run_id, last_seq, head_hash } = JSON.parse(readFileSync(file, 'utf8')) as Record<string, JsonValue>;
    const isWhole = typeof run_id === 'string' && typeof last_seq === 'number' && typeof head_hash === 'string';
    return isWhole ? { run_id, last_seq, head_hash } : undefined;
  } catch {
    return undefined;
  }
}
