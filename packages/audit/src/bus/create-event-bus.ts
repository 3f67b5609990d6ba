import { SpanledgerError, isBusOnlyEvent, isEventName } from '@spanledger/protocol';
import type { BusEvent } from './bus-event.ts';
import { busId, resolveBusOptions, resolveSubscription } from './bus-options.ts';
import type { EventBusOptions, ResolvedBusOptions, SubscriptionOptions } from './bus-options.ts';
import { FinishedTasks } from './finished-tasks.ts';
import { Subscriber } from './subscription.ts';
import type { Subscription } from './subscription.ts';
import { NOBODY, Task } from './task.ts';
import type { PublishResult } from './task.ts';

/**
 * Live progress for whoever listens in this process. Best effort, and the opposite of the ledger in everything: it never
 * waits, keeps nothing, and a slow listener loses events, which it is told.
 */
export interface EventBus {
  /**
   * Hands an event to the subscribers of its task and returns at once: no code of a subscriber runs inside of it. A
   * terminal event also ends their subscriptions, and the task. After `close` it does nothing.
   *
   * @throws SpanledgerError `SPANLEDGER_EVENT` for a name that neither an audit event nor a chunk can have;
   *   `SPANLEDGER_VALUE` for an event without a task
   */
  readonly publish: (event: BusEvent) => PublishResult;
  /**
   * Listens to a task from now on: nothing is replayed. The task need not have begun, so one can subscribe and
   * then start it.
   *
   * @throws SpanledgerError `SPANLEDGER_UNKNOWN_TASK` if it is known to be finished; `SPANLEDGER_BUS_CLOSED`;
   *   `SPANLEDGER_BUS_FULL`; `SPANLEDGER_VALUE` for an id and `SPANLEDGER_OPTION` for a buffer that cannot be
   */
  readonly subscribe: (options: SubscriptionOptions) => Subscription;
  /**
   * Whether publishing an event of this name would change anything: somebody listens to some task, or the event ends one.
   * For who has to make the event first, and could save that.
   */
  readonly wants: (event: string) => boolean;
  /** Ends all subscriptions; what waits in them can still be taken. Doing it again does nothing. */
  readonly close: () => void;
}

/** @throws SpanledgerError `SPANLEDGER_OPTION` */
export function createEventBus(options: EventBusOptions = {}): EventBus {
  const bus = new TaskBus(resolveBusOptions(options));
  return {
    publish: (event) => bus.publish(event),
    wants: (event) => bus.wants(event),
    subscribe: (subscription) => bus.subscribe(subscription),
    close: () => bus.close(),
  };
}

class TaskBus {
  readonly #options: ResolvedBusOptions;
  /** Of the tasks that somebody listens to; the others have no state but that they are finished. */
  readonly #tasks = new Map<string, Task>();
  readonly #finished: FinishedTasks;
  #subscribers = 0;
  #closed = false;

  constructor(options: ResolvedBusOptions) {
    this.#options = options;
    this.#finished = new FinishedTasks(options.finishedMax);
  }

  publish(event: BusEvent): PublishResult {
    if (this.#closed) return NOBODY;
    const { event: name } = event;
    const chunk = isBusOnlyEvent(name);
    if (!chunk && !isEventName(name))
      throw new SpanledgerError('SPANLEDGER_EVENT', 'a bus event needs a snake_case name');
    const taskId = busId('task_id, or without one run_id,', event.task_id ?? event.run_id);
    const terminal = this.#options.terminalEvents.has(name);
    try {
      return this.#tasks.get(taskId)?.publish(event, name, { terminal, chunk }) ?? NOBODY;
    } finally {
      // Also of one that throws when it is read: nothing else would ever end its listeners.
      if (terminal) this.#finish(taskId);
    }
  }

  wants(event: string): boolean {
    return !this.#closed && (this.#subscribers > 0 || this.#options.terminalEvents.has(event));
  }

  subscribe(options: SubscriptionOptions): Subscription {
    if (this.#closed) throw new SpanledgerError('SPANLEDGER_BUS_CLOSED', 'the event bus is closed');
    const resolved = resolveSubscription(options);
    const { taskId } = resolved;
    if (this.#finished.has(taskId)) throw new SpanledgerError('SPANLEDGER_UNKNOWN_TASK', `task ${taskId} is finished`);
    if (this.#subscribers >= this.#options.subscribersMax) {
      throw new SpanledgerError('SPANLEDGER_BUS_FULL', `the event bus has ${this.#subscribers} subscribers already`);
    }
    const subscriber = new Subscriber(resolved, (leaving) => this.#leave(taskId, leaving));
    this.#taskOf(taskId).subscribers.add(subscriber);
    this.#subscribers += 1;
    return subscriber;
  }

  close(): void {
    this.#closed = true;
    for (const taskId of this.#tasks.keys()) this.#end(taskId);
  }

  #taskOf(taskId: string): Task {
    const task = this.#tasks.get(taskId) ?? new Task();
    this.#tasks.set(taskId, task);
    return task;
  }

  #finish(taskId: string): void {
    this.#finished.add(taskId);
    this.#end(taskId);
  }

  #end(taskId: string): void {
    const task = this.#tasks.get(taskId);
    if (task === undefined) return;
    this.#tasks.delete(taskId);
    this.#subscribers -= task.subscribers.size;
    for (const subscriber of task.subscribers) subscriber.end();
  }

  #leave(taskId: string, subscriber: Subscriber): void {
    const task = this.#tasks.get(taskId);
    if (!task?.subscribers.delete(subscriber)) return;
    this.#subscribers -= 1;
    if (task.subscribers.size === 0) this.#tasks.delete(taskId);
  }
}
