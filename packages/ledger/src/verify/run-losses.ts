import { eventId } from '@spanledger/protocol';
import type { GapFinding, LossFinding } from './finding.ts';
import type { RangeReport } from './loss.ts';

/** Numbers that one report covers, and no report before it. */
interface Covered {
  readonly from: number;
  readonly to: number;
  readonly loss: RangeReport;
}

/**
 * What was reported lost of one run. To judge a hole costs as much as there are reports in it, not as there are numbers (a hostile
 * number may be 2^53), nor reports in all.
 */
export class RunLosses {
  readonly reports: readonly RangeReport[];
  /** The one that reaches furthest. */
  readonly furthest: RangeReport | undefined;
  readonly #runId: string;
  /** Ascending, and none overlaps another. */
  readonly #covered: readonly Covered[];
  readonly #byLastSeq = new Map<number, RangeReport[]>();

  /** @param stored numbers that the producer says are stored: what reports them lost is not believed. */
  constructor(runId: string, reports: readonly RangeReport[], stored: ReadonlySet<number>) {
    this.#runId = runId;
    this.reports = [...reports].sort(byRange);
    const all = coveredBy(this.reports);
    this.#covered = stored.size === 0 ? all : without(all, stored);
    for (const report of this.reports) {
      const { lastSeq } = report.range;
      if (this.furthest === undefined || lastSeq > this.furthest.range.lastSeq) this.furthest = report;
      const same = this.#byLastSeq.get(lastSeq);
      if (same === undefined) this.#byLastSeq.set(lastSeq, [report]);
      else same.push(report);
    }
  }

  /** The last number that was reported lost; 0 if none was. */
  get lastSeq(): number {
    return this.furthest?.range.lastSeq ?? 0;
  }

  /** The hashes that an event of number `seq` had that was lost, as far as they are reported. */
  hashesOf(seq: number): string[] {
    return (this.#byLastSeq.get(seq) ?? []).map(({ range }) => range.lastHash);
  }

  /** Everything that was reported, where nothing of the run is here. What lies between nobody claims. */
  get findings(): LossFinding[] {
    return this.#covered.map((covered) => this.#loss(covered, covered.from, covered.to));
  }

  /**
   * Splits a hole into what is reported lost and what is not.
   *
   * @param streamSeq where the hole shows: the event after it.
   */
  judgeHole(firstSeq: number, lastSeq: number, streamSeq: number): (GapFinding | LossFinding)[] {
    const found: (GapFinding | LossFinding)[] = [];
    let open = firstSeq;
    for (let i = this.#firstReaching(firstSeq); i < this.#covered.length; i += 1) {
      const covered = this.#covered[i] as Covered;
      if (covered.from > lastSeq) break;
      const from = Math.max(open, covered.from);
      const to = Math.min(lastSeq, covered.to);
      if (open < from) found.push(this.#gap(open, from - 1, streamSeq));
      found.push(this.#loss(covered, from, to));
      open = to + 1;
    }
    if (open <= lastSeq) found.push(this.#gap(open, lastSeq, streamSeq));
    return found;
  }

  /** Index of the first row that ends at this number or behind it. */
  #firstReaching(seq: number): number {
    let [low, high] = [0, this.#covered.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#covered[middle] as Covered).to < seq) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #gap(seq: number, lastSeq: number, streamSeq: number): GapFinding {
    const runId = this.#runId;
    return { cause: 'gap', runId, seq, lastSeq, eventId: eventId({ runId, seq }), streamSeq };
  }

  #loss({ loss }: Covered, seq: number, lastSeq: number): LossFinding {
    const runId = this.#runId;
    const { streamSeq, reason } = loss;
    const reportedBy = eventId(loss);
    return { cause: 'loss', runId, seq, lastSeq, eventId: eventId({ runId, seq }), streamSeq, reason, reportedBy };
  }
}

function byRange({ range: a }: RangeReport, { range: b }: RangeReport): number {
  return a.firstSeq - b.firstSeq || a.lastSeq - b.lastSeq;
}

/** @param reports by first number. */
function coveredBy(reports: readonly RangeReport[]): Covered[] {
  let open = 1;
  return reports.flatMap((loss) => {
    const [from, to] = [Math.max(open, loss.range.firstSeq), loss.range.lastSeq];
    if (from > to) return [];
    open = to + 1;
    return [{ from, to, loss }];
  });
}

function without(all: readonly Covered[], gone: ReadonlySet<number>): Covered[] {
  const numbers = [...gone].sort((a, b) => a - b);
  let next = 0;
  return all.flatMap(({ from, to, loss }) => {
    const parts: Covered[] = [];
    let open = from;
    while (next < numbers.length && (numbers[next] as number) < from) next += 1;
    for (; next < numbers.length && (numbers[next] as number) <= to; next += 1) {
      const seq = numbers[next] as number;
      if (open < seq) parts.push({ from: open, to: seq - 1, loss });
      open = seq + 1;
    }
    if (open <= to) parts.push({ from: open, to, loss });
    return parts;
  });
}
