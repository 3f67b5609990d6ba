import { GENESIS_HASH } from '@spanledger/protocol';
import type { BrokenChainFinding, ForkFinding, GapFinding } from '../verify/finding.ts';
import type { ForgeEntry } from './forge-ledger.ts';

/**
 * Judges the links between events: each is to one that is here, and none is linked to more often than it is here. (Forge's times are
 * whole seconds: two processes may well start with the same bytes.) A process that starts begins anew, from the genesis hash. What has no `prev_hash` at all is of an emitter that does not chain.
 *
 * @param entries in stream order.
 * @param gaps holes in the numbers: a link into one is no finding of its own.
 * @param fromStart if not, each emitter may have one link to what was before.
 */
export function checkLinks(
  entries: readonly ForgeEntry[],
  gaps: readonly GapFinding[],
  fromStart: boolean,
): (BrokenChainFinding | ForkFinding)[] {
  const byHash = new Map(entries.map((entry) => [entry.hash, entry]));
  const successors = new Map<string, ForgeEntry[]>();
  const begun = new Set<string>();
  const openGaps = [...gaps];
  const findings: (BrokenChainFinding | ForkFinding)[] = [];
  for (const entry of entries) {
    const { prevHash, emitter, place } = entry;
    const isFirst = !begun.has(emitter);
    begun.add(emitter);
    if (prevHash === undefined || prevHash === GENESIS_HASH) continue;
    const linked = successors.get(prevHash) ?? [];
    successors.set(prevHash, [...linked, entry]);
    const before = byHash.get(prevHash);
    if (before === undefined) {
      const isExcused = (isFirst && !fromStart) || takeGap(openGaps, place.streamSeq);
      if (!isExcused) findings.push({ cause: 'broken_chain', ...place, expected: [], actual: prevHash });
    } else if (linked.length >= before.copies) findings.push(fork(linked.at(-1)!, entry));
  }
  return findings;
}

/** The event that is missing in the numbers is the one that is missing here. */
function takeGap(gaps: GapFinding[], streamSeq: number): boolean {
  const index = gaps.findIndex(
    ({ afterStreamSeq = 0, ...gap }) => afterStreamSeq < streamSeq && streamSeq <= gap.streamSeq,
  );
  if (index !== -1) gaps.splice(index, 1);
  return index !== -1;
}

function fork(first: ForgeEntry, second: ForgeEntry): ForkFinding {
  const contents = [first, second].map(({ hash, place: { streamSeq } }) => ({ hash, streamSeq }));
  return { cause: 'fork', ...second.place, lastSeq: second.place.seq, contents };
}
