import { within } from '@spanledger/protocol';
import { log } from '../diagnostics.ts';
import type { Outbox } from '../delivery/outbox.ts';
import type { InstanceRun } from '../instance/instance-run.ts';
import type { LossReporter } from './loss-reporter.ts';
import type { EventCounts } from './event-counts.ts';
import type { TranscriptWriter } from '../transcripts/transcript-writer.ts';
import type { ResolvedPipelineOptions } from './pipeline-options.ts';

/** How often a final checkpoint is tried that cannot be signed. */
const FINAL_TRIES_MAX = 3;

/** What of a pipeline is shut down. */
export interface ShutdownParts extends Pick<
  ResolvedPipelineOptions,
  'producer' | 'sink' | 'journal' | 'attempts' | 'signing'
> {
  readonly outbox: Outbox;
  readonly transcripts: TranscriptWriter;
  readonly losses: LossReporter;
  readonly instanceRun: InstanceRun;
  readonly counts: EventCounts;
}

/**
 * Flushes, says the last word, closes sink and journal. Whatever a sink does, it keeps the deadline, and the journal is synced.
 * Never rejects.
 *
 * @param leaveJournal it is synced, and goes on taking events.
 */
export async function shutDown(parts: ShutdownParts, deadlineMs: number, leaveJournal: boolean): Promise<void> {
  const { outbox, losses, instanceRun, journal, transcripts } = parts;
  const endAtMs = performance.now() + deadlineMs;
  const leftMs = (): number => Math.max(0, endAtMs - performance.now());
  // The last quarter is for the sink to let go of its medium, and a quarter of that for the journal to be synced.
  const flushUntil = (): number => Math.max(0, leftMs() - deadlineMs / 4);
  const journalMs = journal === undefined ? 0 : deadlineMs / 16;
  instanceRun.stop();
  losses.drainNow();
  const isFlushed = await outbox.settled(flushUntil());
  // What the first wait shows as lost is reported now; some reports may be on their way already.
  if (isFlushed) losses.drainNow();
  if (isFlushed) await outbox.settled(flushUntil());
  if (isFlushed || journal !== undefined) writeFinal(parts);
  if (isFlushed) await outbox.settled(flushUntil());
  await transcripts.settled(flushUntil());
  instanceRun.recordHead();
  losses.close();
  outbox.feed?.close();
  const untilJournalMs = Math.max(0, leftMs() - journalMs);
  await Promise.all([closeSink(parts, untilJournalMs), closeAttempts(parts, untilJournalMs)]);
  await endJournal(parts, leftMs(), leaveJournal);
  sayWhatIsLeft(parts);
  closeKeys(parts);
}

/** A final checkpoint that could not be signed is a loss as well, and reported before it is tried again. */
function writeFinal({ instanceRun, losses }: ShutdownParts): void {
  for (let tries = 1; tries <= FINAL_TRIES_MAX && !instanceRun.writeFinal(); tries += 1) losses.drainNow();
}

async function closeSink({ sink }: ShutdownParts, deadlineMs: number): Promise<void> {
  try {
    await within(sink.close(deadlineMs), deadlineMs);
  } catch (error) {
    log.error(`sink ${sink.name} could not be closed:`, error);
  }
}

async function closeAttempts({ attempts }: ShutdownParts, deadlineMs: number): Promise<void> {
  try {
    await within(Promise.resolve(attempts?.close?.()), deadlineMs);
  } catch (error) {
    log.error(`the store of attempts could not be closed:`, error);
  }
}

async function endJournal({ journal }: ShutdownParts, deadlineMs: number, leave: boolean): Promise<void> {
  if (journal === undefined) return;
  try {
    await within(leave ? journal.whenDurable(journal.position) : journal.close(), deadlineMs);
  } catch (error) {
    log.error('the journal could not be closed:', error);
  }
}

function sayWhatIsLeft({ producer, journal, losses, outbox, counts }: ShutdownParts): void {
  const left = journal?.stats.unacknowledged ?? 0;
  if (left > 0) log.warn(`${left} events are left in the journal for the next process of ${producer} to publish`);
  const lost = losses.open.count + (journal === undefined ? outbox.queue.events : 0);
  if (lost > 0) log.error(`shut down with losses that are not in the ledger: ${lost} events`, JSON.stringify(counts));
}

function closeKeys({ signing }: ShutdownParts): void {
  try {
    signing?.keys.close?.();
  } catch (error) {
    log.error('the signing keys could not be closed:', error);
  }
}
