import type { BusEvent, BusItem, Subscription } from '../../src/bus.ts';

export const TASK = 'task-1';

/** An event of a task, numbered if `seq` is given. */
export function busEvent(event = 'tool_exec', rest: Partial<BusEvent> = {}): BusEvent {
  return { event, task_id: TASK, ...rest };
}

/** Everything until the end, which must come. */
export async function readAll(subscription: Subscription): Promise<BusItem[]> {
  const items: BusItem[] = [];
  for await (const item of subscription) items.push(item);
  return items;
}

/** Numbers of the events, and `-<count>` where some are missing. */
export function numbers(items: readonly BusItem[]): unknown[] {
  return items.map((item) => (item.type === 'event' ? item.event.seq : `-${item.dropped}`));
}

export function names(items: readonly BusItem[]): unknown[] {
  return items.map((item) => (item.type === 'event' ? item.event.event : 'lagged'));
}
