import { setTimeout as delay } from 'node:timers/promises';
import {
  JetStreamApiError,
  NO_MESSAGE_FOUND,
  STREAM_NAME_IN_USE,
  STREAM_NOT_FOUND,
  SUBJECTS_OVERLAP,
  WRONG_LAST_SEQUENCE,
  parseAnswer,
  requestApi,
} from './jetstream-api.ts';
import { hasNoResponders } from './nats-connection.ts';
import type { NatsConnectionLike } from './nats-connection.ts';

const NANOS_PER_MS = 1e6;
const DUPLICATE_WINDOW_MS = 120_000;
/** How long a bucket that is being made is left alone before somebody knocks again. */
const PAUSE_MS = 25;
/** Of no stream: a name has no dot. */
const NO_STREAM = 'none.such';
/** By a client, or by the server, where the bucket marks what has expired. */
const MESSAGE_IS_A_DELETION = /^(KV-Operation|Nats-Marker-Reason):/im;

export interface BucketConfig {
  readonly bucket: string;
  /** How long a value is kept after it was written. */
  readonly ttlMs: number;
  readonly replicas: number;
}

/** The newest value of a key. */
export interface BucketEntry {
  /** `undefined`: never written, expired or deleted. */
  readonly value: Uint8Array | undefined;
  /** 0: never written, or expired. */
  readonly revision: number;
}

/**
 * A JetStream key-value bucket, as far as it is needed to compare and set. By requests of its own, like everything here: the modules of one client
 * generation do not work on a connection of the other, and these need two permissions only.
 */
export class KvBucket {
  readonly #config: BucketConfig;
  readonly #stream: string;
  #isOpen = false;

  constructor(config: BucketConfig) {
    this.#config = config;
    this.#stream = `KV_${config.bucket}`;
  }

  /**
   * Asks the leader, not the nearest copy: what is read is to be replaced next. Makes the bucket where there is none.
   *
   * @throws JetStreamApiError, or whatever the connection throws
   */
  async get(connection: NatsConnectionLike, key: string, leftMs: () => number): Promise<BucketEntry> {
    if (!this.#isOpen) await this.#open(connection, key, leftMs);
    const endpoint = `STREAM.MSG.GET.${this.#stream}`;
    try {
      return readEntry(await requestApi(connection, endpoint, { last_by_subj: this.#subject(key) }, leftMs()));
    } catch (error) {
      if (hasCode(error, NO_MESSAGE_FOUND)) return { value: undefined, revision: 0 };
      if (!hasCode(error, STREAM_NOT_FOUND)) throw error;
      // It was deleted meanwhile.
      this.#isOpen = false;
      return this.get(connection, key, leftMs);
    }
  }

  /** @returns the new revision; `undefined` if that was not the newest one. */
  async put(
    connection: NatsConnectionLike,
    key: string,
    value: Uint8Array,
    revision: number,
    leftMs: () => number,
  ): Promise<number | undefined> {
    const headers = expecting(this.#stream, revision);
    const { data } = await connection.request(this.#subject(key), value, { timeout: leftMs(), headers });
    try {
      return readNumber((parseAnswer(data) as { seq?: unknown }).seq);
    } catch (error) {
      if (error instanceof JetStreamApiError && WRONG_LAST_SEQUENCE.has(error.errCode)) return undefined;
      throw error;
    }
  }

  /**
   * Waits until the bucket takes messages, which it does when it is made from end to end: nats-server 2.9 dies of a question that
   * it is asked before, while another process makes it. So a message is sent first that no stream keeps.
   */
  async #open(connection: NatsConnectionLike, key: string, leftMs: () => number): Promise<void> {
    const knock = { headers: expecting(NO_STREAM, 0) };
    let overlap: BucketMissingError | undefined;
    for (let knocks = 0; ; knocks += 1) {
      try {
        await connection.request(this.#subject(key), undefined, { timeout: leftMs(), ...knock });
        this.#isOpen = true;
        return;
      } catch (error) {
        if (!hasNoResponders(error)) throw error;
        if (leftMs() <= PAUSE_MS) throw overlap ?? error;
      }
      if (knocks === 0) overlap = await this.#create(connection, leftMs());
      else await delay(PAUSE_MS);
    }
  }

  /** @returns why there is no bucket, unless somebody else is making it just now. */
  async #create(connection: NatsConnectionLike, timeoutMs: number): Promise<BucketMissingError | undefined> {
    try {
      await requestApi(connection, `STREAM.CREATE.${this.#stream}`, this.#streamConfig(), timeoutMs);
    } catch (error) {
      // Somebody else was faster, with other settings.
      if (hasCode(error, STREAM_NAME_IN_USE)) return undefined;
      const missing = new BucketMissingError(this.#config, error);
      if (!hasCode(error, SUBJECTS_OVERLAP)) throw missing;
      return missing;
    }
    return undefined;
  }

  #subject(key: string): string {
    return `$KV.${this.#config.bucket}.${key}`;
  }

  /** As every client makes one: they can all read it. */
  #streamConfig(): object {
    const { bucket, ttlMs, replicas } = this.#config;
    return {
      name: this.#stream,
      subjects: [`$KV.${bucket}.>`],
      storage: 'file',
      retention: 'limits',
      discard: 'new',
      max_msgs_per_subject: 1,
      max_age: ttlMs * NANOS_PER_MS,
      duplicate_window: Math.min(ttlMs, DUPLICATE_WINDOW_MS) * NANOS_PER_MS,
      num_replicas: replicas,
      deny_delete: true,
      allow_rollup_hdrs: true,
      allow_direct: true,
    };
  }
}

/** There is no bucket, and we could not make one. The message has the command for those who may. */
export class BucketMissingError extends Error {
  override readonly name = 'BucketMissingError';

  constructor({ bucket, ttlMs, replicas }: BucketConfig, cause: unknown) {
    const command = `nats kv add ${bucket} --history=1 --ttl=${ttlMs}ms --storage=file --replicas=${replicas}`;
    super(`the bucket ${bucket} does not exist and could not be created; \`${command}\` creates it`, { cause });
  }
}

/** Both client generations ask a header object for nothing but its bytes. */
function expecting(stream: string, revision: number): { encode(): Uint8Array } {
  const lines = ['NATS/1.0', `Nats-Expected-Stream: ${stream}`, `Nats-Expected-Last-Subject-Sequence: ${revision}`];
  return { encode: () => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1') };
}

function readEntry(answer: object): BucketEntry {
  const { message } = answer as { message?: { seq?: unknown; data?: unknown; hdrs?: unknown } };
  const revision = readNumber(message?.seq);
  const headers = typeof message?.hdrs === 'string' ? Buffer.from(message.hdrs, 'base64').toString('latin1') : '';
  if (MESSAGE_IS_A_DELETION.test(headers)) return { value: undefined, revision };
  return { value: Buffer.from(typeof message?.data === 'string' ? message.data : '', 'base64'), revision };
}

function readNumber(value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value > 0) return value;
  throw new Error('an answer without a sequence number');
}

function hasCode(error: unknown, code: number): boolean {
  return error instanceof JetStreamApiError && error.errCode === code;
}
