import { fingerprint } from '../records/fingerprint.ts';
import type { Facts } from './facts.ts';
import type { Notification } from './notification.ts';
import type { RememberedNotification } from './notification-state.ts';
import type { Notifier } from './notifier.ts';
import { correction, render } from './render.ts';
import type { LinkTemplates, NotificationKey } from './render.ts';

/** What is to be said, and as of which stream sequence. */
interface ToSay {
  readonly key: NotificationKey;
  readonly facts: Facts;
  readonly lastSeq: number;
}

interface Channel {
  readonly notifier: Notifier;
  readonly links: LinkTemplates;
}

/**
 * What to remember before anything is done, and in `sending` what is then to be sent: nothing, if the channel has it. What is known is
 * remembered even so: what it was read from will not be read again.
 *
 * @param before what is remembered of the message.
 * @returns `before` itself, if that says it all.
 */
export function intentOf(
  before: RememberedNotification | undefined,
  { key, facts, lastSeq }: ToSay,
  { notifier, links }: Channel,
): RememberedNotification {
  const unsure = before?.sending;
  // It may have arrived. If something else were posted now there would be two.
  if (before && unsure?.call === 'post') return before;
  const message = render(key, facts, links);
  const print = printOf(message, notifier);
  const isThere = before?.reference !== undefined;
  const isSaid = unsure === undefined && before?.fingerprint === print;
  const isOnItsWay = unsure !== undefined && notifier.edit && printOf(unsure.message, notifier) === print;
  // Nobody was told of it, so there is nothing to correct.
  const isIdle = !isThere && message.status === 'superseded';
  if (before && (isSaid || isOnItsWay || isIdle)) return before.facts === facts ? before : { ...before, facts };
  const { sending: _, ...known } = before ?? { version: 0 };
  if (isIdle) return { ...known, key, facts, streamSeq: lastSeq };
  return {
    ...known,
    key,
    facts,
    streamSeq: lastSeq,
    version: known.version + 1,
    sending:
      notifier.edit && isThere
        ? { call: 'edit', message }
        : { call: 'post', message: corrected(message, before?.standing) },
  };
}

/** The channel has it. */
export function said(intent: RememberedNotification, reference: string, notifier: Notifier): RememberedNotification {
  const { sending, standing: _, ...rest } = intent;
  const { message } = sending!;
  const standing = message.status === 'superseded' ? undefined : message.attempt;
  return { ...rest, reference, fingerprint: printOf(message, notifier), ...(standing !== undefined && { standing }) };
}

/** The channel will never have it: as if it did, until there is something else to say. */
export function refused({ sending, ...rest }: RememberedNotification, notifier: Notifier): RememberedNotification {
  return { ...rest, fingerprint: printOf(sending!.message, notifier) };
}

/** If what the channel has been told of does not hold any more. */
function corrected(message: Notification, standing: number | undefined): Notification {
  if (standing === undefined || message.attempt === undefined) return message;
  return message.status === 'superseded' || message.attempt > standing ? correction(message, standing) : message;
}

/** A channel that cannot edit is told of another state only, and not that its producer is known by now. */
function printOf(message: Notification, notifier: Notifier): number {
  const content = notifier.edit === undefined ? [message.status, message.attempt] : message;
  return fingerprint(new TextEncoder().encode(JSON.stringify(content)));
}
