/** A message as both client generations hand it out. */
export interface NatsMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply?: string | undefined;
  /** `code` is the status of a message without payload: 503 no responders, 404 no messages, 408 timeout, … */
  readonly headers?: { readonly code: number; readonly description: string } | undefined;
}

/** A subscription as both client generations hand it out. */
export interface NatsSubscription {
  unsubscribe(): void;
  isClosed(): boolean;
}

/**
 * What this package uses of a NATS connection: the part that `@nats-io/transport-node` 3 and `nats` 2.29 have in common.
 * A `NatsConnection` of either is one.
 */
export interface NatsConnectionLike {
  readonly info?: { readonly version: string; readonly max_payload: number } | undefined;
  publish(subject: string, payload?: Uint8Array, options?: { reply?: string; headers?: unknown }): void;
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: NatsMessage) => void },
  ): NatsSubscription;
  request(
    subject: string,
    payload?: Uint8Array,
    options?: { timeout: number; headers?: unknown },
  ): Promise<NatsMessage>;
  status(): AsyncIterable<{ readonly type: string }>;
  closed(): Promise<void | Error>;
  close(): Promise<void>;
  isClosed(): boolean;
  isDraining(): boolean;
  /** Resolves when the server has answered a ping. */
  flush?(): Promise<void>;
  reconnect?(): Promise<void>;
}

/**
 * The inbox prefix that the connection was made with. Neither client generation has a public way to ask, and an
 * account that may subscribe to its own inboxes only needs it; their JetStream modules read the same property.
 */
function inboxPrefixOf(connection: NatsConnectionLike): string {
  const { options } = connection as { options?: { inboxPrefix?: unknown } };
  return typeof options?.inboxPrefix === 'string' && options.inboxPrefix !== '' ? options.inboxPrefix : '_INBOX';
}

/** A subject below the connection's inbox prefix that nobody can guess. */
export function createInbox(connection: NatsConnectionLike): string {
  return `${inboxPrefixOf(connection)}.${crypto.randomUUID().replaceAll('-', '')}`;
}

/** The subject that the server did not let us use, if that is what the status event reports. Both client generations. */
export function deniedSubject(status: object): { operation: string; subject: string } | undefined {
  const { error, permissionContext } = status as { error?: unknown; permissionContext?: unknown };
  const context = (permissionContext ?? error) as { operation?: unknown; subject?: unknown } | undefined;
  if (typeof context?.operation !== 'string' || typeof context.subject !== 'string') return undefined;
  return { operation: context.operation, subject: context.subject };
}

/** The same for a request that was not let through. */
export function deniedRequest(error: unknown): { operation: string; subject: string } | undefined {
  for (let cause = error, depth = 0; cause instanceof Error && depth < 4; cause = cause.cause, depth += 1) {
    const denied = deniedSubject(cause) ?? deniedSubject({ error: cause });
    if (denied !== undefined) return denied;
  }
  return undefined;
}

/** Nobody listens where a request was sent. Both client generations. */
export function hasNoResponders(error: unknown): boolean {
  const { code, isNoResponders } = error as { code?: unknown; isNoResponders?: () => boolean };
  return code === '503' || isNoResponders?.call(error) === true;
}

/**
 * Ends the socket below a connection, which then dials anew. The clients' own way first waits until all that was written
 * is sent; into a dead socket with a full buffer nothing ever is. Without a socket that we know, it is that way.
 */
export function cutConnection(connection: NatsConnectionLike): void {
  if (connection.isClosed()) return;
  const { protocol } = connection as { protocol?: { transport?: { socket?: { destroy?: () => void } } } };
  const socket = protocol?.transport?.socket;
  if (typeof socket?.destroy === 'function') socket.destroy();
  else connection.reconnect?.().catch(() => {});
}
