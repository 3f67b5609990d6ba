import { parseEvent } from '@spanledger/protocol';
import type { AuditEventDraft, LedgerRecord, SealedEvent } from '@spanledger/protocol';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { NotificationError, memoryNotificationState, notify } from '../src/index.ts';
import type { Notification, NotificationFailure, Notifier, NotifyOptions } from '../src/index.ts';
import { TestRun, stored } from './history.ts';
import { Receiver, Trouble } from './notify-channel.ts';
import { storiesIn } from './notify-model.ts';
import { deliveries } from './rewind-history.ts';

/** Each record in a turn of its own: what is to be said of it is said before the next one. */
async function* oneByOne(records: readonly LedgerRecord[]): AsyncGenerator<LedgerRecord, void, void> {
  for (const record of records) {
    yield record;
    await new Promise(setImmediate);
  }
}

function nameOf({ executionId, stepId = '-' }: Notification): string {
  return `${executionId} ${stepId}`;
}

function storyOf({ status, attempt }: Notification): object {
  return attempt === undefined ? { status } : { status, attempt };
}

interface Life {
  /** Effects until it is killed. */
  readonly dieAfter: number;
  readonly failures: readonly boolean[];
  readonly fromStart: boolean;
  readonly slowly: boolean;
}

const lives: fc.Arbitrary<Life[]> = fc.array(
  fc.record({
    dieAfter: fc.nat(40),
    failures: fc.array(fc.boolean(), { maxLength: 6 }),
    fromStart: fc.boolean(),
    slowly: fc.boolean(),
  }),
  { maxLength: 4 },
);

/** Told by one process after the other, each killed somewhere; the last one lives to the end. */
async function tell(
  receiver: Receiver,
  records: readonly LedgerRecord[],
  canEdit: boolean,
  all: Life[],
): Promise<void> {
  const kept = memoryNotificationState();
  for (const { dieAfter, failures, fromStart, slowly } of [
    ...all,
    { dieAfter: Infinity, failures: [], fromStart: false, slowly: true },
  ]) {
    const trouble = new Trouble(dieAfter, failures);
    const given = (fromSeq: number): AsyncIterable<LedgerRecord> | LedgerRecord[] => {
      const left = fromStart ? records : records.filter(({ streamSeq }) => streamSeq >= fromSeq);
      return slowly ? oneByOne(left) : [...left];
    };
    const ended = notify(given, receiver.notifier(canEdit, trouble), { state: trouble.state(kept) });
    await Promise.race([ended, trouble.died]);
  }
}

describe('notify', () => {
  it('says what a simple model says, over redelivery, failing calls and kills: by one message for each step', async () => {
    await fc.assert(
      fc.asyncProperty(deliveries, lives, async ({ records }, all) => {
        const receiver = new Receiver();
        await tell(receiver, records, true, all);
        const stories = storiesIn(records.map(({ bytes }) => parseEvent(bytes)!));
        const said = new Map(receiver.posts.map(({ states }) => [nameOf(states[0]!), storyOf(states.at(-1)!)]));
        expect(said.size).toBe(receiver.posts.length);
        // What was abandoned before anything was said of it is never spoken of.
        for (const [name, story] of stories) if (story.status === 'superseded' && !said.has(name)) stories.delete(name);
        expect(said).toEqual(stories);
      }),
      { numRuns: 300, endOnFailure: true },
    );
  });

  it('tells a channel that cannot edit the same, and corrects each attempt that it was told of exactly once', async () => {
    await fc.assert(
      fc.asyncProperty(deliveries, lives, async ({ records }, all) => {
        const receiver = new Receiver();
        await tell(receiver, records, false, all);
        const stories = storiesIn(records.map(({ bytes }) => parseEvent(bytes)!));
        for (const [name, story] of stories) {
          const said = receiver.posts.map(({ states }) => states[0]!).filter((one) => nameOf(one) === name);
          expect(said.length === 0 ? { status: 'superseded' } : storyOf(said.at(-1)!)).toMatchObject(
            said.length === 0 ? { status: story.status } : story,
          );
          let standing: number | undefined;
          for (const [index, { status, attempt, correctsAttempt }] of said.entries()) {
            const isStale = standing !== undefined && (status === 'superseded' || attempt! > standing);
            expect(correctsAttempt).toBe(isStale ? standing : undefined);
            expect(attempt ?? 0).toBeGreaterThanOrEqual(standing ?? 0);
            expect(storyOf(said[index]!)).not.toEqual(index > 0 ? storyOf(said[index - 1]!) : undefined);
            standing = status === 'superseded' ? undefined : attempt;
          }
        }
      }),
      { numRuns: 300, endOnFailure: true },
    );
  });

  const run = new TestRun('orchestrator');
  const of = (event: string, step: string | undefined, epoch = 1, more: Partial<AuditEventDraft> = {}): SealedEvent =>
    run.seal(event, {
      workflow_execution_id: 'e1',
      workflow_id: 'deploy',
      ...(step !== undefined && { step_id: step, attempt_epoch: epoch }),
      ...more,
    });
  const marker = (step: string, epoch: number): SealedEvent =>
    of('stream_rewind', step, epoch, { fields: { step, superseded_after_event_id: 'x:1', new_epoch: epoch } });

  async function titles(canEdit: boolean, events: SealedEvent[], options: NotifyOptions = {}): Promise<string[][]> {
    const receiver = new Receiver();
    await notify(oneByOne(stored(events)), receiver.notifier(canEdit), options);
    return receiver.posts.map(({ states }) => states.map(({ title }) => title));
  }

  const retried = (): SealedEvent[] => [
    of('workflow_started', undefined),
    of('workflow_step_started', 'plan'),
    of('workflow_step_failed', 'plan', 1, { fields: { status: 'error', error_type: 'TimeoutError' } }),
    marker('plan', 2),
    marker('plan', 2),
    of('workflow_step_started', 'plan', 2),
    of('workflow_step_failed', 'plan', 1, { fields: { status: 'error', error_type: 'Late' } }),
    of('workflow_step_completed', 'plan', 2, { duration_ms: 1200 }),
    of('workflow_complete', undefined),
  ];

  it('edits the message of a step when it is tried again, and never says that it failed after that', async () => {
    expect(await titles(true, retried())).toEqual([
      ['workflow deploy: running', 'workflow deploy: completed'],
      [
        'plan: running',
        'plan: failed (TimeoutError)',
        'plan: attempt 2 running; attempt 1 superseded',
        'plan: attempt 2 completed; attempt 1 superseded',
      ],
    ]);
  });

  it('posts one correction for a rewind where it cannot edit', async () => {
    expect((await titles(false, retried())).flat()).toEqual([
      'workflow deploy: running',
      'plan: running',
      'plan: failed (TimeoutError)',
      'correction: plan: attempt 2 running; attempt 1 superseded',
      'plan: attempt 2 completed; attempt 1 superseded',
      'workflow deploy: completed',
    ]);
  });

  it('takes back steps of an abandoned attempt that the new one never enters', async () => {
    const parent = { fields: { parent: { step_id: 'plan', attempt_epoch: 1 } } };
    const events = (): SealedEvent[] => [
      of('workflow_step_started', 'plan'),
      of('workflow_step_started', 'plan/ask', 1, parent),
      of('workflow_step_completed', 'plan/ask'),
      of('workflow_step_started', 'plan', 2),
      of('workflow_step_started', 'plan/late', 1, parent),
    ];
    const ask = ['plan/ask: running', 'plan/ask: completed', 'plan/ask: attempt 1 superseded'];
    expect((await titles(true, events()))[1]).toEqual(ask);
    const lines = (await titles(false, events())).flat();
    expect(lines.filter((line) => line.includes('plan/ask'))).toEqual([ask[0], ask[1], `correction: ${ask[2]}`]);
    expect(lines.join()).not.toContain('late');
  });

  it('holds back what is hostile: controls, lengths, names that look alike', async () => {
    const evil = `\u001b]0;x\u0007\u202e${'z'.repeat(200)}`;
    const receiver = new Receiver();
    const events = [
      of('workflow_step_started', evil, 1, { producer: 'orchestrator', trace_id: 'not-a-trace' }),
      of('workflow_step_started', '\\u{1b}', 1),
      of('workflow_step_started', '\u001b', 1),
      of('workflow_step_started', 'x'.repeat(300), 1),
      of('workflow_step_failed', 'null', 1, { fields: { error_type: { evil: true } } }),
    ];
    const odd = new TextEncoder().encode(
      JSON.stringify({ ...parseEvent(events[4]!.bytes)!, step_id: 'odd', fields: null, duration_ms: 'x' }).replace(
        '"x"',
        '1e999',
      ),
    );
    await notify([...stored(events), { bytes: odd, streamSeq: 6 }], receiver.notifier(true));
    const said = receiver.posts.map(({ states }) => states[0]!);
    expect(JSON.stringify(said)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    expect(said).toHaveLength(5);
    expect(new Set(said.map(({ id }) => id)).size).toBe(5);
    expect(Math.max(...said.map(({ title }) => title.length))).toBeLessThan(700);
    expect(said.every(({ id }) => /^[!-~]+$/.test(id))).toBe(true);
    expect(said.some(({ durationMs, traceId, errorType }) => durationMs ?? traceId ?? errorType)).toBe(false);
  });

  it('links to where templates say, and to nowhere else', async () => {
    const links = { trace: 'https://jaeger.example/trace/{trace}', step: 'https://x.example/{execution}?s={step}' };
    const receiver = new Receiver();
    const event = of('workflow_step_started', 'a b&c', 1, { trace_id: 'ab'.repeat(16) });
    await notify(stored([event, of('workflow_started', undefined)]), receiver.notifier(true), { links });
    expect(receiver.posts.map(({ states }) => states[0]!.links)).toEqual([
      [
        { label: 'trace', url: `https://jaeger.example/trace/${'ab'.repeat(16)}` },
        { label: 'step', url: 'https://x.example/e1?s=a%20b%26c' },
      ],
      [],
    ]);
    const option = { code: 'SPANLEDGER_OPTION' };
    for (const link of ['javascript:alert(1)', 'https://{step}/'])
      await expect(notify([], receiver.notifier(true), { links: { link } })).rejects.toMatchObject(option);
  });

  it('reads on while the channel is away, says only the newest state, and says it again as it was if nobody knows whether it arrived', async () => {
    const receiver = new Receiver();
    const failures: NotificationFailure[] = [];
    // The first post arrives, and its answer does not.
    const notifier = receiver.notifier(true, new Trouble(Infinity, [true]));
    await notify(oneByOne(stored(retried())), notifier, { onFailure: (failure) => void failures.push(failure) });
    expect(receiver.posts).toHaveLength(2);
    expect(failures).toMatchObject([{ retryInMs: 0, error: { message: 'no answer' } }]);

    const away: Notifier = { post: () => Promise.reject(new Error('away')) };
    const state = memoryNotificationState();
    const records = stored(retried());
    const result = await notify(oneByOne(records), away, { state, drainMs: 0, onFailure: () => {} });
    expect(result).toEqual({ unsaid: 2, forgotten: 0, passedOver: 0 });
    expect(state.load()).toMatchObject({ streamSeq: 0 });
    const later = new Receiver();
    await notify(records, later.notifier(true), { state });
    const said = later.posts.map(({ states }) => states.map(({ title }) => title));
    // The post of which nobody knows whether it arrived comes first, as it was.
    expect(said).toEqual([
      ['workflow deploy: running', 'workflow deploy: completed'],
      ['plan: running', 'plan: attempt 2 completed; attempt 1 superseded'],
    ]);
  });

  it('does not wait for a channel that never answers, and goes on after one that refuses', async () => {
    let calls = 0;
    const failures: NotificationFailure[] = [];
    const notifier: Notifier = {
      post: (message) => {
        calls += 1;
        if (calls === 1) return new Promise<string>(() => {});
        if (message.stepId !== undefined) throw new NotificationError('no', { retryable: false });
        return 'm';
      },
    };
    const events = [of('workflow_started', undefined), of('workflow_step_started', 'plan')];
    const result = await notify(stored(events), notifier, {
      timeoutMs: 5,
      onFailure: (one) => void failures.push(one),
    });
    expect(result.unsaid).toBe(0);
    expect(failures.map(({ retryInMs }) => retryInMs === undefined)).toEqual([false, true]);
  });

  it('forgets executions that have ended when there are too many messages', async () => {
    const state = memoryNotificationState();
    const receiver = new Receiver();
    const inExecution = (id: string, ended: boolean): SealedEvent[] => {
      const own = new TestRun();
      const ids = { workflow_execution_id: id };
      const step = own.seal('workflow_step_started', { ...ids, step_id: 'plan', attempt_epoch: 1 });
      return [step, own.seal(ended ? 'workflow_complete' : 'workflow_started', ids)];
    };
    const events = [...inExecution('live', false), ...inExecution('ended', true), ...inExecution('third', false)];
    const result = await notify(oneByOne(stored(events)), receiver.notifier(true), { state, messagesMax: 4 });
    expect(result).toEqual({ unsaid: 0, forgotten: 2, passedOver: 0 });
    const { messages } = await state.load();
    expect([...messages.values()].map(({ key }) => key.executionId)).toEqual(['live', 'live', 'third', 'third']);
    const crowded = await notify(stored(events), receiver.notifier(true), { messagesMax: 1 });
    expect(crowded).toMatchObject({ forgotten: 2, passedOver: 3 });
  });
});
