import { GENESIS_HASH } from '@spanledger/protocol';
import type { BrokenChainFinding, ForkFinding, GapFinding, SignatureFinding } from '../verify/finding.ts';
import type { ForgeEntry } from './forge-entry.ts';

type LinkFinding = BrokenChainFinding | ForkFinding | SignatureFinding;

/**
 * Judges the links between events: each is to one that is here, and none is linked to more often than it is here. (Forge's times are
 * whole seconds: two processes may well start with the same bytes.) A process that starts begins anew, from the genesis hash. What has
 * no `prev_hash` at all is of an emitter that does not chain. A process that signs goes on signing, so an unsigned event after a signed
 * one has lost its signature.
 *
 * @param entries in stream order.
 * @param gaps holes in the numbers: a link into one is no finding of its own.
 * @param fromStart if not, each emitter may have one link to what was before.
 */
export function checkLinks(
  entries: readonly ForgeEntry[],
  gaps: readonly GapFinding[],
  fromStart: boolean,
): LinkFinding[] {
  const byHash = new Map(entries.map((entry) => [entry.hash, entry]));
  const successors = new Map<string, { count: number; last: ForgeEntry }>();
  const begun = new Set<string>();
  const openGaps = new OpenGaps(gaps);
  const findings: LinkFinding[] = [];
  for (const entry of entries) {
    const { prevHash, emitter, place } = entry;
    const isFirst = !begun.has(emitter);
    begun.add(emitter);
    if (prevHash === undefined || prevHash === GENESIS_HASH) continue;
    const { count, last } = successors.get(prevHash) ?? { count: 0, last: entry };
    successors.set(prevHash, { count: count + 1, last: entry });
    const before = byHash.get(prevHash);
    if (before === undefined) {
      const isExcused = (isFirst && !fromStart) || openGaps.take(place.streamSeq);
      if (!isExcused) findings.push({ cause: 'broken_chain', ...place, expected: [], actual: prevHash });
      continue;
    }
    if (count >= before.copies) findings.push(fork(last, entry));
    if (before.isSigned === true && entry.isSigned === false)
      findings.push({ cause: 'signature_downgraded', ...place });
  }
  return findings;
}

/** Holes that overlap and are looked through (I7). */
const OVERLAPPING_MAX = 1_000;

/** The event that is missing in the numbers is the one that is missing in the links: each hole excuses one. */
class OpenGaps {
  /** By their end. */
  readonly #gaps: GapFinding[];
  readonly #taken = new Set<GapFinding>();
  /** Those before it ended before what is asked for now. */
  #first = 0;

  constructor(gaps: readonly GapFinding[]) {
    this.#gaps = [...gaps].sort((a, b) => a.streamSeq - b.streamSeq);
  }

  /** @param streamSeq not less than before. */
  take(streamSeq: number): boolean {
    while ((this.#gaps[this.#first]?.streamSeq ?? Infinity) < streamSeq) this.#first += 1;
    const around = this.#gaps
      .slice(this.#first, this.#first + OVERLAPPING_MAX)
      .find((gap) => (gap.afterStreamSeq ?? 0) < streamSeq && !this.#taken.has(gap));
    if (around !== undefined) this.#taken.add(around);
    return around !== undefined;
  }
}

function fork(first: ForgeEntry, second: ForgeEntry): ForkFinding {
  const contents = [first, second].map(({ hash, place: { streamSeq } }) => ({ hash, streamSeq }));
  return { cause: 'fork', ...second.place, lastSeq: second.place.seq, contents };
}
