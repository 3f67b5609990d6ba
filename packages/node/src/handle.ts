import type { AuditPipeline } from '@spanledger/audit';
import { SpanledgerError } from '@spanledger/protocol';
import { logger } from './diagnostics.ts';
import { watchProcessEnd } from './process-end.ts';

/** The running pipeline of this process. */
export interface SpanledgerHandle {
  /** The name under which this process writes. */
  readonly producer: string;
  /** Where the ledger goes: `jetstream`, `file`, … or `none` where OpenTelemetry is disabled. */
  readonly sink: string;

  /**
   * Waits until every event emitted so far is stored, or known not to be. Never rejects.
   *
   * @param deadlineMs default: the option `shutdownTimeoutMs`
   * @returns false if the deadline came first.
   */
  flush(deadlineMs?: number): Promise<boolean>;

  /**
   * Flushes, closes the ledger, and shuts down the SDK if `start()` made it. Idempotent; never rejects. A process starts
   * once: there is no start after it.
   *
   * @param deadlineMs default: the option `shutdownTimeoutMs`
   */
  shutdown(deadlineMs?: number): Promise<void>;
}

/** What the handle is made of. */
export interface HandleParts {
  readonly pipeline: AuditPipeline;
  readonly sink: string;
  readonly timeoutMs: number;
  /** Shuts down what `start()` made beside the pipeline. */
  readonly shutdownSdk?: () => Promise<void>;
}

const KEY = Symbol.for('@spanledger/node/handle@1');

interface Holder {
  [KEY]?: SpanledgerHandle;
}

/** One pipeline per process, however many copies of this package are loaded. */
function currentHandle(): SpanledgerHandle | undefined {
  return (globalThis as Holder)[KEY];
}

/** @throws SpanledgerError `SPANLEDGER_STARTED` */
export function refuseSecondStart(): void {
  if (currentHandle() === undefined) return;
  throw new SpanledgerError(
    'SPANLEDGER_STARTED',
    'Spanledger is already started in this process: use one of `--import @spanledger/node/register`, start() and ' +
      'withSpanledger(), once; code that is loaded again (hot reload) must not start it again',
  );
}

/** Makes the handle of this process, and lets it see the process's end. */
export function publishHandle(parts: HandleParts): SpanledgerHandle {
  const handle = createHandle(parts, () => unwatch());
  const unwatch = watchProcessEnd(handle);
  return ((globalThis as Holder)[KEY] = handle);
}

/** The handle of a process that goes on without a ledger. */
export function publishInertHandle(producer: string): SpanledgerHandle {
  const nothing = async (): Promise<void> => {};
  return ((globalThis as Holder)[KEY] = { producer, sink: 'none', flush: async () => true, shutdown: nothing });
}

/**
 * `flush()` of this process's pipeline, from anywhere: a serverless function awaits it before it answers.
 *
 * @returns true also where nothing was started, because nothing is waiting.
 */
export async function flush(deadlineMs?: number): Promise<boolean> {
  return (await currentHandle()?.flush(deadlineMs)) ?? true;
}

function createHandle({ pipeline, sink, timeoutMs, shutdownSdk }: HandleParts, unwatch: () => void): SpanledgerHandle {
  let closing: Promise<void> | undefined;
  const close = async (deadlineMs: number): Promise<void> => {
    unwatch();
    // Side by side: a trace collector that does not answer takes no time from the ledger.
    await Promise.all([pipeline.shutdown(deadlineMs), shutdownSdk && within(deadlineMs, shutdownSdk())]);
  };
  return {
    producer: pipeline.producer,
    sink,
    flush: (deadlineMs = timeoutMs) => pipeline.flush(deadlineMs),
    shutdown: (deadlineMs = timeoutMs) => (closing ??= close(deadlineMs)),
  };
}

async function within(deadlineMs: number, work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<void>((resolve) => (timer = setTimeout(resolve, deadlineMs)));
  const reported = work.catch((error: unknown) =>
    logger.warn('the OpenTelemetry SDK did not shut down cleanly:', error),
  );
  await Promise.race([reported, deadline]);
  clearTimeout(timer);
}
