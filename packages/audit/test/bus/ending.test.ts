import { TERMINAL_EVENTS } from '@spanledger/protocol';
import { describe, expect, it } from 'vitest';
import { createEventBus } from '../../src/bus.ts';
import type { EventBusOptions } from '../../src/bus.ts';
import { TASK, busEvent, names, numbers, readAll } from './support.ts';

const code = (name: string) => expect.objectContaining({ code: name });

describe('a terminal event', () => {
  it.each(TERMINAL_EVENTS)('%s ends the subscriptions of its task, and of no other', async (terminal) => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    const other = bus.subscribe({ taskId: 'other' });
    bus.publish(busEvent('tool_exec'));
    expect(bus.publish(busEvent(terminal))).toEqual({ delivered: 1, dropped: 0 });
    expect(bus.publish(busEvent('tool_exec'))).toEqual({ delivered: 0, dropped: 0 });
    expect(names(await readAll(subscription))).toEqual(['tool_exec', terminal]);
    expect(bus.publish(busEvent('tool_exec', { task_id: 'other' })).delivered).toBe(1);
    other.close();
  });

  it('is never dropped, however full the buffer', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK, buffer: 1 });
    for (const seq of [1, 2, 3]) bus.publish(busEvent('tool_exec', { seq }));
    expect(bus.publish(busEvent('workflow_complete', { seq: 4 }))).toEqual({ delivered: 1, dropped: 0 });
    expect(numbers(await readAll(subscription))).toEqual([1, '-2', 4]);
  });

  it('ends its task also when it throws while it is read', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    const unreadable = {
      ...busEvent('workflow_complete'),
      get model(): string {
        throw new Error('no');
      },
    };
    expect(() => bus.publish(unreadable)).toThrow('no');
    expect(await readAll(subscription)).toEqual([]);
    expect(() => bus.subscribe({ taskId: TASK })).toThrow(code('SPANLEDGER_UNKNOWN_TASK'));
  });

  it('ends who waits for the next event', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    const waiting = [subscription.next(), subscription.next()];
    bus.publish(busEvent('workflow_failed'));
    expect(await Promise.all(waiting)).toMatchObject([
      { value: { event: { event: 'workflow_failed' } } },
      { done: true },
    ]);
  });

  it('makes its task unknown to who comes later, though nobody had listened', () => {
    const bus = createEventBus();
    bus.publish(busEvent('invocation_complete'));
    expect(() => bus.subscribe({ taskId: TASK })).toThrow(code('SPANLEDGER_UNKNOWN_TASK'));
    bus.publish(busEvent('invocation_started'));
    expect(() => bus.subscribe({ taskId: TASK })).toThrow(code('SPANLEDGER_UNKNOWN_TASK'));
  });

  it('is one that terminalEvents names, where several runs share a task', async () => {
    const bus = createEventBus({ terminalEvents: ['workflow_complete'] });
    const subscription = bus.subscribe({ taskId: TASK });
    bus.publish(busEvent('invocation_complete'));
    bus.publish(busEvent('workflow_complete'));
    expect(names(await readAll(subscription))).toEqual(['invocation_complete', 'workflow_complete']);
  });
});

describe('finished tasks', () => {
  it('are forgotten, the oldest first, and one forgotten is as one that has not begun', () => {
    const bus = createEventBus({ finishedMax: 2 });
    for (const task_id of ['a', 'b', 'a', 'c']) bus.publish(busEvent('workflow_complete', { task_id }));
    for (const taskId of ['b', 'c']) {
      expect(() => bus.subscribe({ taskId })).toThrow(code('SPANLEDGER_UNKNOWN_TASK'));
    }
    const subscription = bus.subscribe({ taskId: 'a' });
    expect(bus.publish(busEvent('tool_exec', { task_id: 'a' })).delivered).toBe(1);
    subscription.close();
  });

  it('take no room: subscribers, too, are free again when theirs has ended', async () => {
    const bus = createEventBus({ finishedMax: 10, subscribersMax: 2 });
    for (let i = 0; i < 1_000; i += 1) {
      const subscription = bus.subscribe({ taskId: `task-${i}` });
      const left = bus.subscribe({ taskId: `task-${i}` });
      expect(() => bus.subscribe({ taskId: 'one more' })).toThrow(code('SPANLEDGER_BUS_FULL'));
      left.close();
      left.close();
      bus.publish(busEvent('workflow_complete', { task_id: `task-${i}` }));
      subscription.close();
    }
  });
});

describe('a closed subscription', () => {
  it('makes room for another, without any end of its task', () => {
    const bus = createEventBus({ subscribersMax: 1 });
    bus.subscribe({ taskId: TASK }).close();
    bus.subscribe({ taskId: TASK }).close();
    expect(bus.publish(busEvent())).toEqual({ delivered: 0, dropped: 0 });
  });

  it('gets nothing more, and what waited is gone', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    bus.publish(busEvent());
    subscription.close();
    subscription.close();
    expect(bus.publish(busEvent())).toEqual({ delivered: 0, dropped: 0 });
    expect(await readAll(subscription)).toEqual([]);
  });

  it('is what leaving the loop makes of it, also while it waits', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    bus.publish(busEvent());
    for await (const item of subscription) if (item.type === 'event') break;
    expect(bus.publish(busEvent()).delivered).toBe(0);
    const other = bus.subscribe({ taskId: TASK });
    const waiting = other.next();
    await other.return();
    expect(await waiting).toEqual({ done: true, value: undefined });
  });
});

describe('a closed bus', () => {
  it('delivers to nobody, takes no listener, and is closed again in peace', async () => {
    const bus = createEventBus();
    const subscription = bus.subscribe({ taskId: TASK });
    bus.publish(busEvent('llm_call'));
    bus.close();
    bus.close();
    expect(bus.publish(busEvent())).toEqual({ delivered: 0, dropped: 0 });
    expect(bus.publish({ event: '' })).toEqual({ delivered: 0, dropped: 0 });
    expect(() => bus.subscribe({ taskId: TASK })).toThrow(code('SPANLEDGER_BUS_CLOSED'));
    expect(names(await readAll(subscription))).toEqual(['llm_call']);
  });
});

it('replays nothing', async () => {
  const bus = createEventBus();
  bus.publish(busEvent('llm_call'));
  const subscription = bus.subscribe({ taskId: TASK });
  bus.publish(busEvent('tool_exec'));
  bus.close();
  expect(names(await readAll(subscription))).toEqual(['tool_exec']);
});

it.each<unknown>([
  { finishedMax: 0 },
  { subscribersMax: 0 },
  { finishedMax: 1_000_001 },
  { terminalEvents: 'workflow_complete' },
  { terminalEvents: ['workflow complete'] },
  { terminalEvents: new Set(['workflow_complete']) },
])('refuses %o', (options) => {
  expect(() => createEventBus(options as EventBusOptions)).toThrow(code('SPANLEDGER_OPTION'));
});
