import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { inOneForm } from './one-form.ts';

/**
 * A second implementation of the ledger's rules, from DESIGN §3 and Node alone. It imports nothing of ours, so that a
 * mistake in sealing and the same mistake in reading cannot hide each other.
 */

/** What it says of one run. */
export interface RunCheck {
  readonly runId: string;
  readonly producers: readonly string[];
  /** Different contents; copies of the same bytes count once. */
  readonly events: number;
  readonly duplicates: number;
  /** The numbers are 1, 2, 3, … without a hole, and each has one content. */
  readonly contiguous: boolean;
  /** Each `prev_hash` is the SHA-256 of the event before; 64 zeros on the first. */
  readonly chained: boolean;
  /** In order of their numbers. */
  readonly names: readonly string[];
}

interface Line {
  readonly bytes: Uint8Array;
  readonly event: Record<string, unknown>;
}

/** The lines of an NDJSON file or buffer, without their line breaks. An unfinished last line is an error. */
export function readNdjson(source: string | Uint8Array): Uint8Array[] {
  const bytes = Buffer.from(typeof source === 'string' ? readFileSync(source) : source);
  const lines: Uint8Array[] = [];
  let start = 0;
  for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
    lines.push(bytes.subarray(start, end));
    start = end + 1;
  }
  if (start !== bytes.length) throw new Error(`the last line is unfinished: ${bytes.subarray(start).toString()}`);
  return lines;
}

/** Checks events in any order. @returns one entry per run, by `run_id` (so oldest first). */
export function checkLedger(events: Iterable<Uint8Array | { readonly bytes: Uint8Array }>): RunCheck[] {
  const runs = new Map<string, Line[]>();
  for (const item of events) {
    const bytes = 'bytes' in item ? item.bytes : item;
    const event = inOneForm(JSON.parse(Buffer.from(bytes).toString('utf8')) as Record<string, unknown>);
    const runId = String(event['run_id']);
    const lines = runs.get(runId) ?? [];
    lines.push({ bytes, event });
    runs.set(runId, lines);
  }
  return [...runs].sort(([a], [b]) => (a < b ? -1 : 1)).map(([runId, lines]) => checkRun(runId, lines));
}

/** Like `checkLedger`. @throws Error unless every run is contiguous and chained. */
export function assertLedger(events: Iterable<Uint8Array | { readonly bytes: Uint8Array }>): RunCheck[] {
  const runs = checkLedger(events);
  const bad = runs.filter((run) => !run.contiguous || !run.chained);
  if (bad.length > 0) throw new Error(`the ledger does not verify: ${JSON.stringify(bad, null, 2)}`);
  return runs;
}

function checkRun(runId: string, lines: readonly Line[]): RunCheck {
  const distinct = new Map(lines.map((line) => [Buffer.from(line.bytes).toString('latin1'), line]));
  const ordered = [...distinct.values()].sort((a, b) => Number(a.event['seq']) - Number(b.event['seq']));
  const links = ['0'.repeat(64), ...ordered.map((line) => createHash('sha256').update(line.bytes).digest('hex'))];
  return {
    runId,
    producers: [...new Set(ordered.map((line) => String(line.event['producer'])))].sort(),
    events: ordered.length,
    duplicates: lines.length - ordered.length,
    contiguous: ordered.every((line, index) => line.event['seq'] === index + 1),
    chained: ordered.every((line, index) => line.event['prev_hash'] === links[index]),
    names: ordered.map((line) => String(line.event['event'])),
  };
}
