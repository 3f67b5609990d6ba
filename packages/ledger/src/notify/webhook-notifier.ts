import { SpanledgerError } from '@spanledger/protocol';
import type { Notification } from './notification.ts';
import { NotificationError } from './notifier.ts';
import type { NotificationDelivery, Notifier } from './notifier.ts';

export interface WebhookOptions {
  /** `http:` or `https:`. Credentials in it are an error: they belong into `headers`. */
  readonly url: string;
  /** Sent with each request, to this URL only: redirects are not followed. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Signs each body: `X-Spanledger-Signature: sha256=<hex of HMAC-SHA-256>`. */
  readonly secret?: string;
  /** For one request. Default 10,000. */
  readonly timeoutMs?: number;
  /** Default: that of the runtime. */
  readonly fetch?: typeof fetch;
}

/** The body of each request. */
export interface WebhookBody {
  readonly schema: 'spanledger.notification/1';
  /** `created` the first time, `updated` whenever it has changed since. */
  readonly action: 'created' | 'updated';
  /** Of this message, ascending. */
  readonly version: number;
  readonly message: Notification;
}

const TIMEOUT_MS = 10_000;
const encoder = new TextEncoder();
/** Any other answer that is not 2xx will be the same next time. */
const RETRYABLE = new Set([408, 425, 429]);

/**
 * Posts each message, and each change of it, as JSON to one URL. A change is a POST too, with the id of the message and a higher version:
 * generic receivers know POST, and an identity in the body; they seldom know PUT on a URL that they did not give.
 *
 * @throws SpanledgerError `SPANLEDGER_OPTION`
 */
export function webhookNotifier(options: WebhookOptions): Notifier {
  const url = checkUrl(options.url);
  const deliver = (
    action: WebhookBody['action'],
    message: Notification,
    delivery: NotificationDelivery,
  ): Promise<void> =>
    request(
      url,
      options,
      { schema: 'spanledger.notification/1', action, version: delivery.version, message },
      delivery,
    );
  return {
    async post(message, delivery) {
      await deliver('created', message, delivery);
      return hashed(message.id);
    },
    edit: (_reference, message, delivery) => deliver('updated', message, delivery),
  };
}

async function request(
  url: string,
  { headers = {}, secret, timeoutMs = TIMEOUT_MS, fetch: send = fetch }: WebhookOptions,
  body: WebhookBody,
  { idempotencyKey, signal }: NotificationDelivery,
): Promise<void> {
  const text = JSON.stringify(body);
  const response = await send(url, {
    method: 'POST',
    // A redirect would carry the headers, and what the message says, to somebody else.
    redirect: 'manual',
    headers: {
      ...headers,
      'Content-Type': 'application/json',
      'Idempotency-Key': await hashed(idempotencyKey),
      ...(secret !== undefined && { 'X-Spanledger-Signature': `sha256=${await hmac(secret, text)}` }),
    },
    body: text,
    signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
  });
  await response.body?.cancel();
  if (response.ok) return;
  // A browser hides the status of a redirect.
  const what = response.status === 0 ? 'a redirect' : `status ${response.status}`;
  const retryable = response.status >= 500 || RETRYABLE.has(response.status);
  const retryInMs = retryable ? retryAfter(response.headers.get('Retry-After')) : undefined;
  throw new NotificationError(`the webhook answered ${what}`, {
    retryable,
    ...(retryInMs !== undefined && { retryInMs }),
  });
}

/** Seconds, or a date. */
function retryAfter(value: string | null): number | undefined {
  if (value === null) return undefined;
  const ms = /^\d+$/.test(value) ? Number(value) * 1_000 : Date.parse(value) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function checkUrl(url: string): string {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol))
    throw new SpanledgerError('SPANLEDGER_OPTION', 'the webhook must be a URL that begins with http:// or https://');
  if (parsed.username !== '' || parsed.password !== '')
    throw new SpanledgerError('SPANLEDGER_OPTION', 'the webhook URL holds credentials: give them as a header');
  return url;
}

/** An id may be longer than what servers take in a header. */
async function hashed(text: string): Promise<string> {
  return hex(await crypto.subtle.digest('SHA-256', encoder.encode(text)));
}

async function hmac(secret: string, text: string): Promise<string> {
  const key = await crypto.subtle.importKey('raw', encoder.encode(secret), { name: 'HMAC', hash: 'SHA-256' }, false, [
    'sign',
  ]);
  return hex(await crypto.subtle.sign('HMAC', key, encoder.encode(text)));
}

function hex(bytes: ArrayBuffer): string {
  return Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');
}
