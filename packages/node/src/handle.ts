import type { AuditPipeline, Journal, PipelineHealth } from '@spanledger/audit';
import { SpanledgerError, within } from '@spanledger/protocol';
import { logger } from './diagnostics.ts';
import { watchProcessEnd } from './process-end.ts';

/**
 * How the ledger of this process is doing, as plain data. `off` where there is none: nothing was started, or OpenTelemetry is
 * disabled and `allowDisabled` said to go on. It keeps nothing then, and need not: a readiness route answers 503 for
 * `failing`, and for `off` if the service must not run unaudited.
 */
export type SpanledgerHealth = PipelineHealth | { readonly status: 'off'; readonly accepting: false };

/** The running pipeline of this process. */
export interface SpanledgerHandle {
  /** The name under which this process writes. */
  readonly producer: string;
  /** Where the ledger goes: `jetstream`, `file`, … or `none` where OpenTelemetry is disabled. */
  readonly sink: string;

  /** How it is doing now. Cheap: for a readiness route, also at every request. */
  health(): SpanledgerHealth;

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
  /** That of the pipeline. */
  readonly journal: Journal | undefined;
  readonly timeoutMs: number;
  /** Shuts down what `start()` made beside the pipeline. */
  readonly shutdownSdk?: () => Promise<void>;
}

const OFF: SpanledgerHealth = Object.freeze({ status: 'off', accepting: false });

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
  return ((globalThis as Holder)[KEY] = createHandle(parts));
}

/** The handle of a process that goes on without a ledger. */
export function publishInertHandle(producer: string): SpanledgerHandle {
  const inert: SpanledgerHandle = {
    producer,
    sink: 'none',
    health: () => OFF,
    flush: async () => true,
    shutdown: async () => {},
  };
  return ((globalThis as Holder)[KEY] = inert);
}

/** `health()` of this process's pipeline, from anywhere: a readiness route needs no handle. */
export function health(): SpanledgerHealth {
  return currentHandle()?.health() ?? OFF;
}

/**
 * `flush()` of this process's pipeline, from anywhere: a serverless function awaits it before it answers.
 *
 * @returns true also where nothing was started, because nothing is waiting.
 */
export async function flush(deadlineMs?: number): Promise<boolean> {
  return (await currentHandle()?.flush(deadlineMs)) ?? true;
}

function createHandle({ pipeline, journal, timeoutMs, shutdownSdk }: HandleParts): SpanledgerHandle {
  let closing: Promise<void> | undefined;
  let isClosed = false;
  const close = async (deadlineMs: number, leaveJournal: boolean): Promise<void> => {
    unwatch();
    // Side by side: a trace collector that does not answer takes no time from the ledger.
    await Promise.all([
      pipeline.shutdown(deadlineMs, { leaveJournal }),
      shutdownSdk && within(shutdownSdk().catch(sayUnclean), deadlineMs),
    ]);
    isClosed = true;
  };
  const closeOnce = (deadlineMs: number, leaveJournal = false): Promise<void> =>
    (closing ??= close(deadlineMs, leaveJournal));

  const handle: SpanledgerHandle = {
    producer: pipeline.producer,
    sink: pipeline.health().sink.name,
    health: () => pipeline.health(),
    flush: (deadlineMs = timeoutMs) => pipeline.flush(deadlineMs),
    shutdown: (deadlineMs = timeoutMs) => closeOnce(deadlineMs),
  };
  const unwatch = watchProcessEnd({
    flush: () => handle.flush(),
    // Neither for a running application nor for a deadline that has passed is the journal closed: `closeNow` is enough.
    shutdown: () => closeOnce(timeoutMs, true),
    exiting: () => {
      journal?.closeNow();
      // A shutdown that is over has said it itself.
      if (!isClosed) sayWhatIsLost(pipeline.health());
    },
  });
  return handle;
}

/** Those in the queue, unless the journal has them, and those that no report names. */
function sayWhatIsLost({ queue, journal, losses }: PipelineHealth): void {
  const lost = losses.unreported + (journal === undefined ? queue.events : 0);
  if (lost > 0) logger.error(`the process ended before the ledger had ${lost} events: they are lost`);
}

function sayUnclean(error: unknown): void {
  logger.warn('the OpenTelemetry SDK did not shut down cleanly:', error);
}
