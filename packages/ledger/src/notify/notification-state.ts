import type { Facts } from './facts.ts';
import type { Notification } from './notification.ts';
import type { NotificationKey } from './render.ts';

/** What is remembered of one message. Plain data, to be given back as it was. */
export interface RememberedNotification {
  readonly key: NotificationKey;
  /** What was known of the step when it was last sent. */
  readonly facts: Facts;
  /** Stream sequence up to which that was read. */
  readonly streamSeq: number;
  /** Of the last message that was sent, or was about to be. */
  readonly version: number;
  /** The channel's, once something was posted. */
  readonly reference?: string;
  /** Of what the channel has. */
  readonly fingerprint?: number;
  /** The attempt that the channel was told of, and not that it is superseded. */
  readonly standing?: number;
  /** About to be sent, and not known to have arrived. */
  readonly sending?: { readonly call: 'post' | 'edit'; readonly message: Notification };
}

/** Everything that is remembered. */
export interface NotificationMemory {
  /** Whatever the stream has up to here has been said. `undefined`: nothing is remembered yet. */
  readonly streamSeq: number | undefined;
  readonly messages: ReadonlyMap<string, RememberedNotification>;
}

/**
 * Where is kept what was said, so that a restart says nothing twice. One writer at a time. When a promise resolves, what was given is
 * kept as long as the medium promises; whatever is thrown means that it is not, and nothing is sent before it is.
 */
export interface NotificationState {
  load(): NotificationMemory | Promise<NotificationMemory>;
  /** @param id of the message @param streamSeq as in `NotificationMemory` */
  set(id: string, message: RememberedNotification, streamSeq: number): void | Promise<void>;
  /** Nothing new was said, and it was read up to here. Losing it costs reading again. */
  reach(streamSeq: number): void | Promise<void>;
  /** These are not needed any more. */
  forget(ids: readonly string[]): void | Promise<void>;
}

/** Forgets with the process. */
export function memoryNotificationState(): NotificationState {
  const messages = new Map<string, RememberedNotification>();
  let reached: number | undefined;
  return {
    load: () => ({ streamSeq: reached, messages: new Map(messages) }),
    set(id, message, streamSeq) {
      messages.set(id, message);
      reached = streamSeq;
    },
    reach: (streamSeq) => void (reached = streamSeq),
    forget(ids) {
      for (const id of ids) messages.delete(id);
    },
  };
}
