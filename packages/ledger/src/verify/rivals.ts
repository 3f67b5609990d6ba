import { eventId } from '@spanledger/protocol';
import type { ConflictFinding, ForkFinding } from './finding.ts';
import { isHash } from './hash-list.ts';
import type { Content } from './run-contents.ts';

/** Numbers of a run with more than one content: each a conflict, or, where they go on side by side, a fork. */
export class Rivals {
  readonly #runId: string;
  readonly #groups: { readonly first: readonly Content[]; last: readonly Content[] }[] = [];

  constructor(runId: string) {
    this.#runId = runId;
  }

  /** Numbers come in ascending order. */
  add(seq: number, contents: readonly Content[]): void {
    if (contents.length < 2) return;
    const group = this.#groups.at(-1);
    if (group !== undefined && seqOf(group.last) === seq - 1 && goOn(group.last, contents)) group.last = contents;
    else this.#groups.push({ first: contents, last: contents });
  }

  get findings(): (ConflictFinding | ForkFinding)[] {
    return this.#groups.map(({ first, last }) => {
      const seq = seqOf(first);
      const runId = this.#runId;
      const contents = first.map(({ hash, streamSeq }) => ({ hash, streamSeq }));
      const place = { runId, seq, eventId: eventId({ runId, seq }), streamSeq: first[1]?.streamSeq ?? 0, contents };
      return first === last ? { cause: 'conflict', ...place } : { cause: 'fork', ...place, lastSeq: seqOf(last) };
    });
  }
}

function seqOf(contents: readonly Content[]): number {
  return contents[0]?.seq ?? 0;
}

/** Whether two contents at least have each a successor of its own. */
function goOn(before: readonly Content[], after: readonly Content[]): boolean {
  const followed = before.filter(({ hash }) => after.some(({ prevHash }) => isHash(prevHash, hash)));
  return followed.length > 1;
}
