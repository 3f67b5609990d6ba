import { DiagLogLevel, diag } from '@opentelemetry/api';
import { parseEvent } from '@spanledger/protocol';
import type { AuditEvent, Jwks } from '@spanledger/protocol';
import { assertLedger, assertValidEvents, checkCheckpoints } from '@spanledger/testkit';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createAuditPipeline, createKeyRing, memorySink, openJournal } from '../../src/index.ts';
import type { AuditPipelineOptions, MemorySink, SigningKeys } from '../../src/index.ts';
import { newDirectory } from '../journal/journal-support.ts';
import { eventsOf, eventually, lossesOf, newScope, walkRun } from '../support.ts';
import { moodyKeys, newPem, verdict } from './signing-support.ts';

let errors: string[];
beforeEach(() => {
  errors = [];
  const keep = (...parts: unknown[]): void => void errors.push(parts.join(' '));
  diag.setLogger({ error: keep, warn: keep, info: () => {}, debug: () => {}, verbose: () => {} }, DiagLogLevel.WARN);
});
afterEach(() => diag.disable());

type Mode = 'checkpoint' | 'event';

function setUp(
  mode: Mode,
  keys: SigningKeys = createKeyRing({ key: newPem() }),
  more: Partial<AuditPipelineOptions> = {},
) {
  const sink = memorySink({ maxEvents: 100_000 });
  return { sink, keys, pipeline: createAuditPipeline({ producer: 'svc', sink, signing: { mode, keys }, ...more }) };
}

const verdictsOf = (sink: MemorySink, jwks: Jwks): Set<string> =>
  new Set(eventsOf(sink).map((event) => verdict(event, jwks)));
const isCheckpoint = ({ event }: AuditEvent): boolean => event === 'audit_checkpoint';

describe('the mode checkpoint', () => {
  it('signs the checkpoints, and nothing else', async () => {
    const { sink, keys, pipeline } = setUp('checkpoint');
    const scope = newScope();
    for (let n = 0; n < 2_500; n += 1) pipeline.emit(scope, { event: 'tool_exec', fields: { n } });
    await pipeline.flush();
    await pipeline.shutdown();
    const events = eventsOf(sink);
    expect(events.filter(isCheckpoint).length).toBeGreaterThanOrEqual(3);
    for (const event of events) expect(verdict(event, keys.jwks())).toBe(isCheckpoint(event) ? 'valid' : 'missing');
    assertValidEvents(sink.records);
    assertLedger(sink.records);
    expect(checkCheckpoints(sink.records)).toEqual([]);
  });

  it('asks the signer nothing while an event is emitted', () => {
    const keys = moodyKeys(createKeyRing({ key: newPem() }), () => false);
    const { pipeline } = setUp('checkpoint', keys);
    const scope = newScope();
    for (let n = 0; n < 5_000; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    expect(keys.asked).toBe(0);
  });

  it('is degraded while the signer fails: events go on, the checkpoint that is missing is reported', async () => {
    let isBroken = true;
    const keys = moodyKeys(createKeyRing({ key: newPem() }), () => isBroken);
    const { sink, pipeline } = setUp('checkpoint', keys, { checkpointIntervalMs: 100 });
    const scope = newScope();
    pipeline.emit(scope, { event: 'tool_exec' });
    await eventually(() => expect(pipeline.health()).toMatchObject({ status: 'degraded', accepting: true }));
    const { signing } = pipeline.health();
    expect(signing).toMatchObject({ mode: 'checkpoint', healthy: false, problem: expect.stringContaining('no time') });
    expect(pipeline.emit(scope, { event: 'tool_exec' })).toMatch(/:2$/);
    await eventually(() => expect(lossesOf(sink)[0]).toMatchObject({ reason: 'signer', first_seq: 1 }));
    isBroken = false;
    await eventually(() => expect(pipeline.health()).toMatchObject({ status: 'ok', signing: { healthy: true } }));
    await pipeline.shutdown();
    // The runs that the lost checkpoint was to name are named by the next one. (Of losses that helper knows nothing.)
    const { instance } = pipeline;
    const problems = checkCheckpoints(sink.records, new Set([instance.run.id]));
    expect(problems.filter((problem) => problem.includes(scope.run.id))).toEqual([]);
    expect(walkRun(sink, instance.run.id).lost).toBeGreaterThan(0);
    expect(errors.filter((line) => line.includes('reported once'))).toHaveLength(1);
  });
});

describe.each(['spanledger', 'forge-1.0'] as const)('the mode event, in the form %s', (envelope) => {
  it('signs every event, of every kind, also over a journal', async () => {
    const journal = openJournal({ directory: await newDirectory(), producer: 'svc' });
    const { sink, keys, pipeline } = setUp('event', undefined, { envelope, journal });
    const json = fc.dictionary(fc.string({ minLength: 1 }), fc.jsonValue() as fc.Arbitrary<never>, { minKeys: 1 });
    const scope = newScope();
    fc.assert(
      fc.property(json, (fields) => {
        pipeline.emit(scope, { event: 'tool_exec', fields, model: '\ud800half', durationMs: 1.5 });
      }),
    );
    await pipeline.shutdown();
    const events = eventsOf(sink);
    expect(events.filter(({ event }) => event === 'tool_exec')).toHaveLength(100);
    expect(events.some(isCheckpoint)).toBe(true);
    expect(verdictsOf(sink, keys.jwks())).toEqual(new Set(['valid']));
    expect(events.every(({ kid }) => kid === keys.kid)).toBe(true);
    assertLedger(sink.records);
    expect(checkCheckpoints(sink.records)).toEqual([]);
  });

  it('stays below the largest size, with a signature and the longest of everything', async () => {
    const keys = createKeyRing({ key: newPem(), kid: '"'.repeat(128) });
    const orgId = '\u0000'.repeat(128);
    const { sink, pipeline } = setUp('event', keys, { envelope, eventMaxBytes: 32_768, orgId, workspaceId: orgId });
    const long = '\u0000'.repeat(1_000);
    const texts = {
      taskId: long,
      sessionId: long,
      clientRequestId: long,
      model: long,
      provider: long,
      requestId: long,
    };
    const id = '"'.repeat(128);
    const scope = newScope({ workflowId: id, executionId: id, stageId: id, stepId: id, caller: id });
    // Some of them fit just so, and are not cut.
    for (let length = 18_000; length < 21_000; length += 30) {
      pipeline.emit(scope, { event: 'tool_exec', ...texts, fields: { text: 'x'.repeat(length) } });
    }
    await pipeline.flush();
    expect(eventsOf(sink, scope.run.id)).toHaveLength(100);
    const sizes = sink.records.map(({ bytes }) => bytes.length);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(32_768);
    expect(Math.max(...sizes)).toBeGreaterThan(32_000);
    expect(verdictsOf(sink, keys.jwks())).toEqual(new Set(['valid']));
  });

  it('goes on over a rotation, with one set of keys for all', async () => {
    const ring = createKeyRing({ key: newPem(), kid: 'first' });
    const { sink, pipeline } = setUp('event', ring, { envelope });
    const scope = newScope();
    for (let n = 0; n < 300; n += 1) {
      if (n === 100) ring.rotate({ key: newPem(), kid: 'second' });
      if (n === 200) ring.rotate({ key: newPem(), kid: 'third' });
      // What happened before a rotation, and is sealed after it, is no finding either.
      const time: [number, number] = [Math.floor(Date.now() / 1_000) - 3_600, 0];
      pipeline.emit(scope, { event: 'tool_exec', ...(n % 2 === 0 && { time }) });
    }
    await pipeline.shutdown();
    expect(new Set(eventsOf(sink).map(({ kid }) => kid))).toEqual(new Set(['first', 'second', 'third']));
    expect(verdictsOf(sink, pipeline.jwks()!)).toEqual(new Set(['valid']));
    assertLedger(sink.records);
  });
});

describe('a signer that fails now and then', () => {
  it('never lets an unsigned event through; every number is an event or a reported loss, and the chain is bridged', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }).filter((fails) => fails.includes(false)),
        fc.array(fc.tuple(fc.nat({ max: 2 }), fc.boolean()), { minLength: 1, maxLength: 60 }),
        async (fails, emits) => {
          const keys = moodyKeys(createKeyRing({ key: newPem() }), (n) => n < 200 && fails[n % fails.length]!);
          const { sink, pipeline } = setUp('event', keys);
          const scopes = [newScope(), newScope(), pipeline.instance];
          let lost = 0;
          for (const [index, isTurn] of emits) {
            if (pipeline.emit(scopes[index]!, { event: 'tool_exec' }) === undefined) lost += 1;
            if (isTurn) await new Promise((resolve) => setImmediate(resolve));
          }
          // Until it works for good, the last chance may pass as well.
          keys.asked = 200;
          await pipeline.shutdown();
          expect(verdictsOf(sink, keys.jwks())).toEqual(new Set(['valid']));
          const walks = scopes.map(({ run }) => walkRun(sink, run.id));
          for (const [index, { run }] of scopes.entries()) {
            expect(walks[index]!.events + walks[index]!.lost).toBe(run.chain.seq);
          }
          expect(walks.reduce((sum, walk) => sum + walk.lost, 0)).toBeGreaterThanOrEqual(lost);
          expect(lossesOf(sink).every(({ reason }) => reason === 'signer')).toBe(true);
          expect(pipeline.health().losses.unreported).toBe(0);
        },
      ),
      { numRuns: 50 },
    );
  });

  it('that never works again publishes nothing, is failing, and uses up few numbers for its own reports', async () => {
    const keys = moodyKeys(createKeyRing({ key: newPem() }), () => true);
    const { sink, pipeline } = setUp('event', keys);
    const scope = newScope();
    for (let n = 0; n < 1_000; n += 1) {
      expect(pipeline.emit(scope, { event: 'tool_exec' })).toBeUndefined();
      if (n % 10 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
    expect(pipeline.health()).toMatchObject({ status: 'failing', accepting: false, signing: { healthy: false } });
    expect(pipeline.instance.run.chain.seq).toBeLessThan(10);
    await expect(pipeline.emitDurable(scope, { event: 'payment' })).rejects.toMatchObject({
      code: 'SPANLEDGER_NOT_DURABLE',
      cause: { code: 'SPANLEDGER_SIGNER' },
    });
    await pipeline.shutdown();
    expect(sink.records).toEqual([]);
    expect(pipeline.health().losses).toMatchObject({ unreported: expect.any(Number) });
    expect(errors.some((line) => line.includes('losses that are not in the ledger'))).toBe(true);
  });

  it('and works again reports what was lost by itself, and accepts again', async () => {
    let isBroken = true;
    const keys = moodyKeys(createKeyRing({ key: newPem() }), () => isBroken);
    const { sink, pipeline } = setUp('event', keys);
    const scope = newScope();
    for (let n = 0; n < 5; n += 1) pipeline.emit(scope, { event: 'tool_exec' });
    await new Promise((resolve) => setImmediate(resolve));
    expect(pipeline.health().accepting).toBe(false);
    isBroken = false;
    await eventually(() => expect(pipeline.health()).toMatchObject({ status: 'ok', losses: { unreported: 0 } }));
    // What is sealed is reported, and is in the sink a little later.
    await pipeline.flush();
    expect(lossesOf(sink)).toContainEqual(expect.objectContaining({ run_id: scope.run.id, first_seq: 1, last_seq: 5 }));
    pipeline.emit(scope, { event: 'tool_exec' });
    await pipeline.shutdown();
    expect(walkRun(sink, scope.run.id)).toEqual({ events: 1, lost: 5 });
    expect(verdictsOf(sink, keys.jwks())).toEqual(new Set(['valid']));
    expect(eventsOf(sink).at(-1)).toMatchObject({ event: 'audit_checkpoint', fields: { final: true } });
  });

  it('writes its final checkpoint a little later', async () => {
    let fails = 0;
    const keys = moodyKeys(createKeyRing({ key: newPem() }), () => fails-- > 0);
    const { sink, pipeline } = setUp('event', keys);
    pipeline.emit(newScope(), { event: 'tool_exec' });
    await pipeline.flush();
    fails = 2;
    await pipeline.shutdown();
    expect(eventsOf(sink).at(-1)).toMatchObject({ event: 'audit_checkpoint', fields: { final: true } });
    const { events, lost } = walkRun(sink, pipeline.instance.run.id);
    expect(events + lost).toBe(pipeline.instance.run.chain.seq);
    expect(lost).toBeGreaterThan(0);
  });
});

describe('a key that was retired', () => {
  it('and signs on elsewhere is seen by its end', async () => {
    const stolen = newPem();
    const ring = createKeyRing({ key: stolen, kid: 'first' });
    const { sink, pipeline } = setUp('event', createKeyRing({ key: stolen, kid: 'first' }));
    ring.rotate({ key: newPem() });
    pipeline.emit(newScope(), { event: 'tool_exec', time: [Math.ceil(Date.now() / 1_000) + 1_200, 0] });
    await pipeline.flush();
    expect(verdict(parseEvent(sink.records[0]!.bytes)!, ring.jwks())).toBe('expired key');
  });
});

describe('without signing', () => {
  it('there are no keys and nothing of it in the health, and the ring of a pipeline is closed with it', async () => {
    const pipeline = createAuditPipeline({ producer: 'svc', sink: memorySink() });
    expect(pipeline.jwks()).toBeUndefined();
    expect(pipeline.health()).not.toHaveProperty('signing');
    const keys = { ...moodyKeys(createKeyRing({ key: newPem() }), () => false), close: vi.fn<() => void>() };
    await setUp('event', keys).pipeline.shutdown();
    expect(keys.close).toHaveBeenCalledTimes(1);
  });

  it.each([
    { signing: { mode: 'always', keys: createKeyRing({ key: newPem() }) } },
    { signing: { mode: 'event' } },
    { signing: { mode: 'event', keys: {} } },
    { envelope: 'forge' },
  ])('an option that cannot be is an error: %j', (options) => {
    expect(() => createAuditPipeline({ producer: 'svc', sink: memorySink(), ...(options as object) })).toThrow(
      expect.objectContaining({ code: 'SPANLEDGER_OPTION' }),
    );
  });
});
