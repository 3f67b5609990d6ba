import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createEventBus } from '../../src/bus.ts';
import { TASK, busEvent, numbers, readAll } from './support.ts';

const RUN = 'run-1';

describe('order within a task', () => {
  it('never falls, however publishers overtake each other between number and publish', () =>
    fc.assert(
      fc.asyncProperty(
        fc.scheduler(),
        fc.integer({ min: 2, max: 12 }),
        fc.constantFrom(0, 2 ** 53 - 4),
        async (scheduler, count, base) => {
          const bus = createEventBus();
          const subscriptions = [bus.subscribe({ taskId: TASK, buffer: 3 }), bus.subscribe({ taskId: TASK })];
          const heard = subscriptions.map(readAll);
          let last = BigInt(base);
          const publisher = async () => {
            last += 1n;
            const seq = (last > Number.MAX_SAFE_INTEGER ? `${last}` : Number(last)) as number;
            await scheduler.schedule(Promise.resolve());
            const { delivered, dropped } = bus.publish(busEvent('tool_exec', { run_id: RUN, seq }));
            expect(delivered + dropped).toBe(2);
          };
          await Promise.all([...Array.from({ length: count }, publisher), scheduler.waitAll()]);
          bus.close();
          for (const [i, items] of (await Promise.all(heard)).entries()) {
            const seqs = items.flatMap((item) => (item.type === 'event' ? [BigInt(item.event.seq ?? 0)] : []));
            expect(seqs).toEqual(seqs.toSorted((a, b) => (a < b ? -1 : Number(a > b))));
            expect(seqs.length + (subscriptions[i]?.dropped() ?? 0)).toBe(count);
          }
        },
      ),
    ));

  it('is that of each run: another run of the task has numbers of its own', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    const publish = (run_id: string, seq: number) => bus.publish(busEvent('tool_exec', { run_id, seq }));
    publish('a', 7);
    publish('b', 1);
    expect(publish('a', 6)).toEqual({ delivered: 0, dropped: 1 });
    publish('b', 2);
    bus.close();
    expect(numbers(await readAll(subscription))).toEqual([7, 1, '-1', 2]);
  });

  it('is known of 1,024 runs: of one forgotten, an older event may come after a newer one', () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK, buffer: 2_000 });
    const publish = (run: number, seq: number) => bus.publish(busEvent('tool_exec', { run_id: `run-${run}`, seq }));
    for (let run = 0; run < 1_024; run += 1) publish(run, 2);
    expect(publish(0, 1)).toEqual({ delivered: 0, dropped: 1 });
    publish(1_024, 2);
    expect(publish(0, 1)).toEqual({ delivered: 1, dropped: 0 });
    expect(publish(1_023, 1)).toEqual({ delivered: 0, dropped: 1 });
    subscription.close();
  });

  it('does not cost the terminal event that a late one has overtaken', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    bus.publish(busEvent('tool_exec', { run_id: RUN, seq: 3 }));
    expect(bus.publish(busEvent('invocation_complete', { run_id: RUN, seq: 2 }))).toEqual({ delivered: 1, dropped: 0 });
    expect(numbers(await readAll(subscription))).toEqual([3, 2]);
  });

  it('is one for all listeners when one of them publishes from its callback', async () => {
    const bus = createEventBus();
    const [first, second] = [bus.subscribe({ taskId: TASK }), bus.subscribe({ taskId: TASK })];
    let seq = 1;
    const publishing = first.forEach(() => {
      seq += 1;
      if (seq <= 5) bus.publish(busEvent('tool_exec', { run_id: RUN, seq }));
      else bus.publish(busEvent('workflow_complete', { run_id: RUN, seq }));
    });
    bus.publish(busEvent('tool_exec', { run_id: RUN, seq }));
    expect(numbers(await readAll(second))).toEqual([1, 2, 3, 4, 5, 6]);
    await publishing;
  });

  it('is one for all listeners when an event publishes another while it is read', async () => {
    const bus = createEventBus();
    const subscriptions = [bus.subscribe({ taskId: TASK }), bus.subscribe({ taskId: TASK })];
    const toJSON = () => bus.publish(busEvent('llm_call')) && 'done';
    bus.publish(busEvent('tool_exec', { fields: { result: { toJSON } } as never }));
    bus.publish(busEvent('workflow_complete'));
    const heard = await Promise.all(subscriptions.map(readAll));
    expect(heard[0]?.map((item) => item.type === 'event' && item.event.event)).toEqual([
      'llm_call',
      'tool_exec',
      'workflow_complete',
    ]);
    expect(heard[1]).toEqual(heard[0]);
  });
});

it('a task whose listener never answers, or never stops publishing, holds up no other', async () => {
  const bus = createEventBus();
  const stuck = bus.subscribe({ taskId: 'stuck' });
  void stuck.forEach(() => new Promise(() => {}));
  bus.publish(busEvent('tool_exec', { task_id: 'stuck' }));
  const busy = bus.subscribe({ taskId: 'busy' });
  let busyCount = 0;
  const endless = busy.forEach(() => {
    busyCount += 1;
    bus.publish(busEvent('tool_exec', { task_id: 'busy' }));
  });
  bus.publish(busEvent('tool_exec', { task_id: 'busy' }));
  const quiet = bus.subscribe({ taskId: 'quiet' });
  bus.publish(busEvent('tool_exec', { task_id: 'quiet', seq: 1 }));
  bus.publish(busEvent('workflow_complete', { task_id: 'quiet', seq: 2 }));
  expect(numbers(await readAll(quiet))).toEqual([1, 2]);
  expect(busyCount).toBeGreaterThan(0);
  busy.close();
  await endless;
});
