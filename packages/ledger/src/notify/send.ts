import { NotificationError } from './notifier.ts';
import type { Notifier } from './notifier.ts';
import type { RememberedNotification } from './notification-state.ts';

const BACKOFF_FIRST_MS = 500;
const BACKOFF_MAX_MS = 60_000;
/** However long a channel wants to be left alone. */
const RETRY_IN_MAX_MS = 15 * 60_000;
const REFERENCE_MAX = 1_000;

/** Gives the channel what is remembered as `sending`. @returns the reference. @throws whatever the channel does; after `timeoutMs` */
export async function send(
  notifier: Notifier,
  id: string,
  { sending, reference, version }: RememberedNotification,
  { timeoutMs, signal }: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<string> {
  const { message, call } = sending!;
  const given = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
  const delivery = { idempotencyKey: `${id}:${version}`, version, signal: given };
  const answer = async (): Promise<string> => {
    if (call === 'post') return checkReference(await notifier.post(message, delivery));
    await notifier.edit!(reference!, message, delivery);
    return reference!;
  };
  // A channel that does not heed the signal is not waited for either.
  return Promise.race([answer(), aborted(given)]);
}

/** How long to wait before the next try: doubled each time, up to a minute; or what the channel wants, up to 15 minutes. */
export function pauseAfter(error: unknown, tries: number): number {
  const wanted = error instanceof NotificationError ? error.retryInMs : undefined;
  if (wanted !== undefined) return Math.min(Math.max(wanted, 0), RETRY_IN_MAX_MS);
  return Math.min(BACKOFF_FIRST_MS * 2 ** Math.min(tries - 1, 20), BACKOFF_MAX_MS) * (0.75 + Math.random() / 4);
}

export function isRefused(error: unknown): boolean {
  return error instanceof NotificationError && !error.retryable;
}

function checkReference(reference: unknown): string {
  if (typeof reference === 'string' && reference.length <= REFERENCE_MAX) return reference;
  throw new NotificationError(`a reference is a text of at most ${REFERENCE_MAX} characters`, { retryable: false });
}

function aborted(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
  });
}
