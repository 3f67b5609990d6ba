import { readAudit } from '@spanledger/jetstream';
import type { ReadAuditOptions } from '@spanledger/jetstream';
import type { LedgerRecord } from '@spanledger/protocol';
import { startProgress } from '../terminal/progress.ts';
import type { Terminal } from '../terminal/terminal.ts';
import type { Link } from './link.ts';
import { streamInfo } from './stream-info.ts';

type Selection = Pick<ReadAuditOptions, 'execution' | 'workflow' | 'producer' | 'fromSeq' | 'since'>;

/**
 * What is in the stream now, with progress. Ends early only when the command is stopped.
 *
 * @throws Failure `unreachable` while iterating.
 */
export async function* readStream(
  terminal: Terminal,
  link: Link,
  selection: Selection = {},
): AsyncGenerator<LedgerRecord, void, void> {
  const { state } = await streamInfo(link);
  const firstSeq = Math.max(selection.fromSeq ?? 1, state.first_seq);
  const progress = startProgress(terminal, 'reading', Math.max(0, state.last_seq - firstSeq));
  try {
    for await (const record of readAudit(link.connection, { ...selection, stream: link.stream, signal: link.signal })) {
      progress.update(record.streamSeq - firstSeq);
      yield record;
    }
  } finally {
    progress.stop();
  }
  link.throwIfLost();
}
