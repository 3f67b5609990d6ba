import { EXIT } from '../run/exit-code.ts';
import { Failure } from '../run/failure.ts';
import type { Link } from './link.ts';

const TIMEOUT_MS = 5_000;

/** What of `STREAM.INFO` is used here. Times in nanoseconds. */
export interface StreamInfo {
  readonly config: Readonly<Record<string, unknown>>;
  readonly state: {
    readonly messages: number;
    readonly bytes: number;
    readonly first_seq: number;
    readonly last_seq: number;
  };
}

/** A question to the server that is answered with JSON. @throws Failure `unreachable` */
export async function ask(link: Link, subject: string, body?: object): Promise<Record<string, unknown>> {
  const payload = body === undefined ? undefined : JSON.stringify(body);
  const reply = await link.connection.request(subject, payload, { timeout: TIMEOUT_MS });
  return reply.json();
}

/** @throws Failure `unreachable` if there is none, or it may not be asked for. */
export async function streamInfo(link: Link): Promise<StreamInfo> {
  const answer = await ask(link, `$JS.API.STREAM.INFO.${link.stream}`).catch((cause: unknown) => {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw unreadable(link.stream, reason, cause);
  });
  const { error } = answer as { error?: { description?: string } };
  if (error !== undefined) throw unreadable(link.stream, error.description ?? 'the server refuses');
  return answer as unknown as StreamInfo;
}

function unreadable(stream: string, reason: string, cause?: unknown): Failure {
  const advice = /permission/i.test(reason)
    ? 'give credentials of an account that may read (--creds, --user, …); `spanledger doctor` says what this one may'
    : 'create it with `spanledger stream init`, name another with --stream, or ask `spanledger doctor`';
  return new Failure(EXIT.unreachable, `stream ${stream} cannot be read: ${reason}`, advice, { cause });
}
