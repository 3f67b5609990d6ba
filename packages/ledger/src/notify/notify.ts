import { parseEvent } from '@spanledger/protocol';
import type { LedgerRecord } from '@spanledger/protocol';
import type { LedgerRecords } from '../records/records.ts';
import { forEachRecord } from '../records/records.ts';
import { memoryNotificationState } from './notification-state.ts';
import type { NotificationState } from './notification-state.ts';
import type { Notifier } from './notifier.ts';
import { Outbox } from './outbox.ts';
import type { NotificationFailure } from './outbox.ts';
import { checkLinks } from './render.ts';
import type { LinkTemplates } from './render.ts';
import { WantedNotifications } from './wanted-notifications.ts';

const TIMEOUT_MS = 10_000;
const DRAIN_MS = 10_000;
const CHECKPOINT_RECORDS = 1_000;

export interface NotifyOptions {
  /** Where is kept what was said. Default: memory, so that a restart says it again. */
  readonly state?: NotificationState;
  /** First stream sequence, where nothing is remembered. Default 1. */
  readonly fromSeq?: number;
  readonly links?: LinkTemplates;
  /** How long the channel may take for one call. Default 10,000. */
  readonly timeoutMs?: number;
  /** How long to go on trying when the records have ended. What is not said by then is said by the next who starts with this state. Default 10,000. */
  readonly drainMs?: number;
  /**
   * How many messages are known at a time (I7). Default 20,000: about 65 MB with what is remembered of them. Above it executions are
   * forgotten, those that have ended first: of a late event of one it is then spoken as if it were new. If one execution alone has more
   * steps, the rest of them have no messages.
   */
  readonly messagesMax?: number;
  /** Told of everything that did not work. It goes on by itself. */
  readonly onFailure?: (failure: NotificationFailure) => void;
}

export interface NotifyResult {
  /** Messages that are not what they should be: the channel did not take them in time. */
  readonly unsaid: number;
  /** Messages that were given up to keep the bound. */
  readonly forgotten: number;
  /** Events of steps for which there was no room. */
  readonly passedOver: number;
}

/**
 * Tells a channel how the steps of workflows are doing: one message for each step and each workflow, edited when its state changes, and
 * when an attempt is superseded. A channel that cannot edit is posted each new state, and one correction for each rewind of a step that it
 * was told of.
 *
 * Reading never waits for the channel: while that is slow or away, only the newest state of each message is kept, and tried again, with
 * pauses of at most a minute (or what it asks for).
 *
 * @param records or how to open them from a stream sequence on. What was read and said before a restart is passed over.
 * @throws SpanledgerError `SPANLEDGER_OPTION`; whatever `records` or loading the state throw. Never what the channel does.
 */
export async function notify(
  records: LedgerRecords | ((fromSeq: number) => LedgerRecords),
  notifier: Notifier,
  options: NotifyOptions = {},
): Promise<NotifyResult> {
  const { state = memoryNotificationState(), fromSeq = 1, drainMs = DRAIN_MS, messagesMax } = options;
  const { links = {}, timeoutMs = TIMEOUT_MS, onFailure = () => {} } = options;
  const outbox = new Outbox({ notifier, state, links: checkLinks(links), timeoutMs, onFailure });
  let forgotten = 0;
  const wanted = new WantedNotifications({
    ...(messagesMax !== undefined && { messagesMax }),
    onForget: (keys) => {
      forgotten += keys.length;
      void outbox.forget(keys);
    },
  });
  const memory = await state.load();
  const saidTo = memory.streamSeq ?? fromSeq - 1;
  for (const [id, remembered] of memory.messages) outbox.restore(id, remembered, saidTo + 1);
  for (const { key, facts } of wanted.restore([...memory.messages.values()])) outbox.want(key, facts, saidTo + 1);
  outbox.read(saidTo);
  if (memory.streamSeq === undefined) await outbox.checkpoint();

  let count = 0;
  const take = ({ bytes, streamSeq }: LedgerRecord): void => {
    if (streamSeq <= saidTo) return;
    const event = parseEvent(bytes);
    if (event !== undefined) for (const { key, facts } of wanted.add(event)) outbox.want(key, facts, streamSeq);
    outbox.read(streamSeq);
    count += 1;
    if (count % CHECKPOINT_RECORDS === 0) void outbox.checkpoint();
  };
  try {
    await forEachRecord(typeof records === 'function' ? records(saidTo + 1) : records, take);
  } finally {
    await outbox.close(drainMs);
  }
  return { unsaid: outbox.unsaid, forgotten, passedOver: wanted.passedOver };
}
