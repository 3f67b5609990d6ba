import { GENESIS_HASH } from './envelope.ts';
import { parseEvent } from './parse-event.ts';
import type { Sha256 } from './seal.ts';

/** What a walk over one run's bytes found. `index` counts from 0. */
export type ChainCheck =
  | { readonly status: 'ok'; readonly count: number; readonly head: string }
  | {
      readonly status: 'broken';
      readonly index: number;
      readonly cause: 'unparsable' | 'run_id' | 'seq' | 'prev_hash';
    };

/**
 * Checks the raw bytes of one whole run, in order from its first event: one `run_id`, `seq` 1, 2, 3, …,
 * and each `prev_hash` the SHA-256 of the bytes before. It stops at the first event that does not fit.
 *
 * I2: the bytes are hashed as they came; nothing is serialised again.
 */
export function checkChain(events: Iterable<Uint8Array>, sha256: Sha256): ChainCheck {
  let count = 0;
  let head = GENESIS_HASH;
  let runId: string | undefined;
  for (const bytes of events) {
    const event = parseEvent(bytes);
    if (event === undefined) return { status: 'broken', index: count, cause: 'unparsable' };
    runId ??= event.run_id;
    if (event.run_id !== runId) return { status: 'broken', index: count, cause: 'run_id' };
    if (event.seq !== count + 1) return { status: 'broken', index: count, cause: 'seq' };
    if (event.prev_hash !== head) return { status: 'broken', index: count, cause: 'prev_hash' };
    head = sha256(bytes);
    count += 1;
  }
  return { status: 'ok', count, head };
}
