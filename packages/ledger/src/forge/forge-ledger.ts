import type { LedgerRecord, Sha256 } from '@spanledger/protocol';
import type { Finding } from '../verify/finding.ts';
import { checkLinks } from './forge-chains.ts';
import { toEntry } from './forge-entry.ts';
import type { ForgeEntry } from './forge-entry.ts';
import { parseForgeEvent } from './forge-event.ts';
import type { ForgeEvent } from './forge-event.ts';
import { checkInvocation } from './forge-invocations.ts';
import { isSigned } from '../verify/signature-check.ts';
import type { SignatureCheck } from '../verify/signature-check.ts';

interface ForgeOptions {
  readonly sha256: Sha256;
  readonly execution?: string;
  readonly fromStart?: boolean;
}

export interface ForgeCounts {
  readonly events: number;
  readonly duplicates: number;
  readonly producers: readonly string[];
}

/**
 * Events of Forge's own profile, of agents and orchestrators that know no runs: numbered per call (`forge-invocations.ts`), and
 * chained per process, over all its invocations (`forge-chains.ts`). Which process an event is of, it does not say: the links do.
 *
 * Memory: about 500 bytes for each event, because a process has no end that could be waited for.
 */
export class ForgeLedger {
  readonly #options: ForgeOptions;
  readonly #signatures: SignatureCheck | undefined;
  /** By hash. */
  readonly #entries = new Map<string, ForgeEntry>();
  readonly #onSight: Finding[] = [];
  #duplicates = 0;

  constructor(options: ForgeOptions, signatures: SignatureCheck | undefined) {
    this.#options = options;
    this.#signatures = signatures;
  }

  /** @returns whether it is such an event. */
  add({ bytes, streamSeq }: LedgerRecord): boolean {
    const event = parseForgeEvent(bytes);
    if (event === undefined) return false;
    const { execution } = this.#options;
    if (execution !== undefined && event.workflow_execution_id !== execution) return true;
    const entry = toEntry(event, this.#options.sha256(bytes), streamSeq);
    const known = this.#entries.get(entry.hash);
    if (known === undefined) this.#checkSignature(event, entry);
    else entry.isSigned = known.isSigned;
    entry.copies += known?.copies ?? 0;
    if (known !== undefined) this.#duplicates += 1;
    if (known === undefined || streamSeq < known.place.streamSeq) this.#entries.set(entry.hash, entry);
    else known.copies = entry.copies;
    return true;
  }

  counts(): ForgeCounts {
    const producers = [...new Set([...this.#entries.values()].map(({ emitter }) => emitter))];
    return {
      events: this.#entries.size,
      duplicates: this.#duplicates,
      producers: producers.filter((name) => name !== ''),
    };
  }

  findings(): Finding[] {
    const { execution, fromStart = true } = this.#options;
    const entries = [...this.#entries.values()].sort((a, b) => a.place.streamSeq - b.place.streamSeq);
    const numbers = [...groupByInvocation(entries).values()].flatMap((group) => checkInvocation(group, fromStart));
    const gaps = numbers.filter((finding) => finding.cause === 'gap');
    // The links go across executions: of one alone nothing is known.
    const links = execution === undefined ? checkLinks(entries, gaps, fromStart) : [];
    return [...this.#onSight, ...numbers, ...links];
  }

  #checkSignature(event: ForgeEvent, entry: ForgeEntry): void {
    if (this.#signatures === undefined) return;
    const finding = this.#signatures.check(event, entry.place);
    if (finding !== undefined) this.#onSight.push(finding);
    if (finding?.cause !== 'signature_missing') entry.isSigned = isSigned(event);
  }
}

function groupByInvocation(entries: readonly ForgeEntry[]): Map<string, ForgeEntry[]> {
  const groups = new Map<string, ForgeEntry[]>();
  for (const entry of entries) {
    if (entry.invocation === undefined) continue;
    const group = groups.get(entry.invocation);
    if (group === undefined) groups.set(entry.invocation, [entry]);
    else group.push(entry);
  }
  return groups;
}
