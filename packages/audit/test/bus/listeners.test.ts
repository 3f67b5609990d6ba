import { diag } from '@opentelemetry/api';
import fc from 'fast-check';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createEventBus } from '../../src/bus.ts';
import { TASK, busEvent, names, numbers, readAll } from './support.ts';

const line = () => vi.fn<(...args: unknown[]) => void>();
const log = { error: line(), warn: line(), info: line(), debug: line(), verbose: line() };
afterEach(() => {
  diag.disable();
  vi.clearAllMocks();
});

describe('a callback', () => {
  it('is never called inside of publish', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    const heard: unknown[] = [];
    const done = subscription.forEach((item) => heard.push(item));
    bus.publish(busEvent('tool_exec'));
    bus.publish(busEvent('workflow_complete'));
    expect(heard).toEqual([]);
    await done;
    expect(heard).toHaveLength(2);
  });

  it('that throws or rejects is logged once, harms nobody, and is called again', async () => {
    diag.setLogger(log, { suppressOverrideMessage: true });
    const bus = createEventBus();
    const listen = () => bus.subscribe({ taskId: TASK });
    const [bad, worse, good] = [listen(), listen(), listen()];
    const calls = { bad: 0, worse: 0 };
    const done = [
      bad.forEach(() => {
        calls.bad += 1;
        throw new Error('bad');
      }),
      worse.forEach(async () => {
        calls.worse += 1;
        throw new Error('worse');
      }),
    ];
    expect(bus.publish(busEvent())).toEqual({ delivered: 3, dropped: 0 });
    expect(bus.publish(busEvent('workflow_complete'))).toEqual({ delivered: 3, dropped: 0 });
    await Promise.all(done);
    expect(calls).toEqual({ bad: 2, worse: 2 });
    expect(log.warn).toHaveBeenCalledTimes(2);
    expect(names(await readAll(good))).toEqual(['tool_exec', 'workflow_complete']);
  });

  it('has one item at a time, in order, at whatever pace its promises keep', () =>
    fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.integer({ min: 1, max: 200 }), async (scheduler, count) => {
        const bus = createEventBus();
        const subscription = bus.subscribe({ taskId: TASK, buffer: 4 });
        const heard: unknown[] = [];
        let inside = 0;
        const done = subscription.forEach(async (item) => {
          inside += 1;
          expect(inside).toBe(1);
          await scheduler.schedule(Promise.resolve());
          heard.push(...numbers([item]));
          inside -= 1;
        });
        const publisher = async () => {
          for (let seq = 1; seq <= count; seq += 1) {
            bus.publish(busEvent('tool_exec', { seq }));
            await scheduler.schedule(Promise.resolve());
          }
          bus.publish(busEvent('workflow_complete', { seq: count + 1 }));
        };
        const work = Promise.all([publisher(), done]);
        await Promise.all([work, scheduler.waitFor(work)]);
        const seqs = heard.filter((one) => typeof one === 'number');
        expect(seqs).toEqual(seqs.toSorted((a, b) => a - b));
        expect(seqs.at(-1)).toBe(count + 1);
        expect(seqs.length + subscription.dropped()).toBe(count + 1);
      }),
    ));

  it('may close its subscription', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    bus.publish(busEvent());
    bus.publish(busEvent());
    let calls = 0;
    await subscription.forEach(() => {
      calls += 1;
      subscription.close();
    });
    expect(calls).toBe(1);
  });

  it('is not called after its subscription was closed, not even with what had been published before', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    const heard: unknown[] = [];
    const done = subscription.forEach((item) => heard.push(item));
    bus.publish(busEvent());
    subscription.close();
    await done;
    expect(heard).toEqual([]);
  });
});

describe('an iterator', () => {
  it('answers calls of next in their order', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    const early = [subscription.next(), subscription.next()];
    for (const seq of [1, 2, 3]) bus.publish(busEvent('tool_exec', { seq }));
    const results = await Promise.all([...early, subscription.next()]);
    expect(results.map(({ value }) => value?.type === 'event' && value.event.seq)).toEqual([1, 2, 3]);
  });

  it('has at most 1,024 calls of next waiting: one more is rejected, and nothing else is harmed', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    const waiting = Array.from({ length: 1_024 }, () => subscription.next());
    await expect(subscription.next()).rejects.toMatchObject({ code: 'SPANLEDGER_BUS_FULL' });
    bus.publish(busEvent('tool_exec', { seq: 1 }));
    expect(await waiting.shift()).toMatchObject({ value: { event: { seq: 1 } } });
    waiting.push(subscription.next());
    subscription.close();
    expect(await Promise.all(waiting)).toEqual(waiting.map(() => ({ done: true, value: undefined })));
  });
});

describe('what is published', () => {
  it('is a copy: nothing that the publisher changes afterwards is seen', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    const event = { event: 'workflow_complete', task_id: TASK, fields: { list: [{ n: 1 }] } };
    bus.publish(event);
    event.task_id = 'changed';
    (event.fields.list[0] as { n: number }).n = 2;
    event.fields.list.push({ n: 3 });
    expect(await readAll(subscription)).toMatchObject([{ event: { task_id: TASK, fields: { list: [{ n: 1 }] } } }]);
  });

  it('is frozen through and through, and one copy for all', async () => {
    const bus = createEventBus();
    const subscriptions = [bus.subscribe({ taskId: TASK }), bus.subscribe({ taskId: TASK })];
    bus.publish(busEvent('workflow_complete', { fields: { list: [{ n: 1 }] } }));
    const [[mine], [theirs]] = (await Promise.all(subscriptions.map(readAll))) as [never[], never[]];
    expect(mine).toBe(theirs);
    const item = mine as unknown as { event: { fields: { list: { n: number }[] } } };
    for (const part of [item, item.event, item.event.fields, item.event.fields.list, item.event.fields.list[0]]) {
      expect(Object.isFrozen(part)).toBe(true);
    }
  });

  it('is not even read where nobody wants it', () => {
    const bus = createEventBus();
    bus.subscribe({ taskId: TASK, sessionId: 'another' });
    const read = vi.fn<() => string>();
    const fields = Object.defineProperty({}, 'text', { enumerable: true, get: read });
    bus.publish(busEvent('tool_exec', { fields }));
    bus.publish(busEvent('request.text_chunk', { fields }));
    bus.publish(busEvent('tool_exec', { task_id: 'nobody listens', fields }));
    expect(read).not.toHaveBeenCalled();
  });

  it('keeps its name, ids and number, however large its content', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    const list = Array.from({ length: 20 }, () => 'x'.repeat(60_000));
    bus.publish({ fields: { list }, event: 'workflow_complete', task_id: TASK, run_id: 'run', seq: 7 });
    const [item] = await readAll(subscription);
    expect(item).toMatchObject({ event: { event: 'workflow_complete', task_id: TASK, run_id: 'run', seq: 7 } });
    expect(JSON.stringify(item).length).toBeLessThan(300_000);
  });

  it('may be cyclic, deep, throwing or no JSON at all: it is delivered as JSON, and publish does not throw', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    const cyclic: Record<string, unknown> = { big: 2n ** 64n, fn: () => 1, when: new Date(0) };
    cyclic['self'] = cyclic;
    Object.defineProperty(cyclic, 'bad', {
      enumerable: true,
      get: () => {
        throw new Error('no');
      },
    });
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i += 1) deep = [deep];
    const fields = { cyclic, deep } as never;
    expect(bus.publish(busEvent('workflow_complete', { fields }))).toEqual({ delivered: 1, dropped: 0 });
    expect(await readAll(subscription)).toMatchObject([
      {
        event: {
          fields: {
            cyclic: {
              big: '18446744073709551616',
              self: '[cyclic]',
              bad: '[unreadable]',
              when: '1970-01-01T00:00:00.000Z',
            },
          },
        },
      },
    ]);
  });
});
