import { createHash, randomUUID } from 'node:crypto';
import { createChain, encodeSubject, seal } from '@spanledger/protocol';
import type { AuditEventDraft, AuditSink, Chain, SealedEvent, WriteOutcome } from '@spanledger/protocol';
import { afterEach, describe, expect, it } from 'vitest';

/** One sink under test, with a medium of its own that nothing else writes to. */
export interface AuditSinkHarness {
  readonly sink: AuditSink;

  /** The bytes of every event stored so far, in the order of the medium. Works after `close` too. */
  readonly read: () => Promise<readonly Uint8Array[]>;

  /** Makes the medium stop answering, until `dispose`. Absent where a sink cannot be made to wait. */
  readonly stall?: () => Promise<void>;

  /** Lets go of the medium. The suite has closed the sink before. */
  readonly dispose?: () => Promise<void>;
}

const PRODUCER = 'conformance';
const EVENT_MAX_BYTES = 64 * 1024;
const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

/**
 * What every `AuditSink` promises, as tests. Call it at the top level of a test file.
 *
 * @param create makes a fresh sink on a fresh medium, for each test.
 */
export function testAuditSink(name: string, create: () => AuditSinkHarness | Promise<AuditSinkHarness>): void {
  describe(`audit sink: ${name}`, () => {
    const open = new Set<AuditSinkHarness>();

    async function setUp(): Promise<AuditSinkHarness> {
      const harness = await create();
      open.add(harness);
      return harness;
    }

    afterEach(async () => {
      for (const harness of open) {
        await harness.sink.close(1_000);
        await harness.dispose?.();
      }
      open.clear();
    });

    it('has a name', async () => {
      const { sink } = await setUp();
      expect(sink.name).toMatch(/^[a-z][a-z0-9-]*$/);
    });

    it('stores the bytes it was given (I2)', async () => {
      const { sink, read } = await setUp();
      const events = sealRun(3);
      expect(await writeAll(sink, events)).toEqual(allStored(events));
      expect(text(await read())).toEqual(text(bytesOf(events)));
    });

    it('answers stored only when a reader finds the event', async () => {
      const { sink, read } = await setUp();
      for (const [index, event] of sealRun(10).entries()) {
        expect((await sink.writeEvent(event)).status).toBe('stored');
        expect(await read()).toHaveLength(index + 1);
      }
    });

    it('keeps unicode and escapes byte for byte (I2)', async () => {
      const { sink, read } = await setUp();
      const events = sealRun(1, () => ({ note: 'žluťoučký 🐎 漢字 \u0000 \n \r\n \u2028 "\\" ‏עברית' }));
      await writeAll(sink, events);
      expect(text(await read())).toEqual(text(bytesOf(events)));
    });

    it('stores events of 64 KiB', async () => {
      const { sink, read } = await setUp();
      const events = sealRun(20, () => ({ payload: 'x'.repeat(EVENT_MAX_BYTES - 1_024) }));
      expect(await writeAll(sink, events)).toEqual(allStored(events));
      expect(text(await read())).toEqual(text(bytesOf(events)));
    });

    it('keeps the order of a run with many writes in flight', async () => {
      const { sink, read } = await setUp();
      const events = sealRun(5_000);
      expect(await writeAll(sink, events)).toEqual(allStored(events));
      expect(text(await read())).toEqual(text(bytesOf(events)));
    });

    it('keeps the order of every run with many runs interleaved', async () => {
      const { sink, read } = await setUp();
      const runs = Array.from({ length: 20 }, () => sealRun(100));
      const interleaved = Array.from({ length: 100 }, (_, index) => runs.map((run) => run[index]!)).flat();
      expect(await writeAll(sink, interleaved)).toEqual(allStored(interleaved));
      const stored = text(await read());
      expect(stored).toHaveLength(interleaved.length);
      for (const run of runs) {
        expect(stored.filter((line) => line.includes(run[0]!.runId))).toEqual(text(bytesOf(run)));
      }
    });

    it('is not disturbed by what happens to the memory of an event after it was answered', async () => {
      const { sink, read } = await setUp();
      const [event] = sealRun(1);
      const written: SealedEvent = { ...event!, bytes: event!.bytes.slice() };
      await sink.writeEvent(written);
      written.bytes.fill(0);
      expect(text(await read())).toEqual(text([event!.bytes]));
    });

    it('stores everything that was written before close, and close waits for it', async () => {
      const { sink, read } = await setUp();
      const events = sealRun(500);
      const outcomes = writeAll(sink, events);
      await sink.close();
      expect(await read()).toHaveLength(500);
      expect(await outcomes).toEqual(allStored(events));
    });

    it('answers failed after close', async () => {
      const { sink, read } = await setUp();
      await sink.close();
      const [event] = sealRun(1);
      expect(await sink.writeEvent(event!)).toEqual(closedOutcome());
      expect(await read()).toEqual([]);
    });

    it('can be closed again, at once and later', async () => {
      const { sink, read } = await setUp();
      const outcomes = writeAll(sink, sealRun(100));
      await Promise.all([sink.close(), sink.close(5_000)]);
      await sink.close();
      expect((await outcomes).every((outcome) => outcome.status === 'stored')).toBe(true);
      expect(await read()).toHaveLength(100);
    });

    it('waits as long as it takes for a close without a deadline, written as Infinity', async () => {
      const { sink } = await setUp();
      const events = sealRun(2_000);
      const outcomes = writeAll(sink, events);
      await sink.close(Infinity);
      expect(await outcomes).toEqual(allStored(events));
    });

    it('answers failed to what is still open when the deadline of close comes', async ({ skip }) => {
      const { sink, stall } = await setUp();
      if (stall === undefined) return skip('this sink cannot be made to wait');
      await stall();
      const outcomes = writeAll(sink, sealRun(50));
      await sink.close(200);
      expect(await outcomes).toEqual(Array.from({ length: 50 }, closedOutcome));
    });
  });
}

/** One run of `count` sealed events. */
function sealRun(
  count: number,
  fields: (seq: number) => AuditEventDraft['fields'] = (seq) => ({ n: seq }),
): SealedEvent[] {
  const chain: Chain = createChain(randomUUID());
  const subject = encodeSubject({ workflowId: 'wf', executionId: 'exec', producer: PRODUCER });
  return Array.from({ length: count }, (_, index) => {
    const draft = {
      ts: '2026-01-01T00:00:00.000000Z',
      event: 'tool_exec',
      producer: PRODUCER,
      fields: fields(index + 1),
    };
    return seal(chain, draft, subject, sha256);
  });
}

/** Starts all writes in order, and awaits none before the last is started. */
function writeAll(sink: AuditSink, events: readonly SealedEvent[]): Promise<WriteOutcome[]> {
  return Promise.all(events.map((event) => sink.writeEvent(event)));
}

function allStored(events: readonly SealedEvent[]): unknown[] {
  return events.map(() => expect.objectContaining({ status: 'stored' }));
}

function closedOutcome(): unknown {
  return { status: 'failed', error: expect.objectContaining({ code: 'SPANLEDGER_SINK_CLOSED' }) };
}

function bytesOf(events: readonly SealedEvent[]): Uint8Array[] {
  return events.map((event) => event.bytes);
}

/** Comparable, and readable where a comparison fails. */
function text(chunks: readonly Uint8Array[]): string[] {
  return chunks.map((bytes) => Buffer.from(bytes).toString('latin1'));
}
