import { ROOT_CONTEXT, context } from '@opentelemetry/api';
import { SpanledgerError } from '@spanledger/protocol';
import type { EventClient } from './event-client.ts';
import type { HubClock } from './hub-clock.ts';
import type { ResolvedTaskEvents } from './sse-options.ts';
import { TaskChannel } from './task-channel.ts';
import type { ChannelOwner } from './task-channel.ts';

/**
 * Which channels there are, and which go first: one for each task that has clients or has just had some.
 *
 * I7: tasks and bytes are bounded. Of tasks without clients, the one that was left first goes first.
 */
export class TaskChannels implements ChannelOwner {
  readonly options: ResolvedTaskEvents;
  readonly clock: HubClock;
  readonly memory = { bytes: 0 };
  readonly #onLeft: (client: EventClient) => void;
  readonly #channels = new Map<string, TaskChannel>();
  /** Those without clients, by when they were left. */
  readonly #idle = new Set<TaskChannel>();
  readonly #expiries = new Map<TaskChannel, () => void>();

  /** @param onLeft is told of every client that is in no channel any more. */
  constructor(options: ResolvedTaskEvents, clock: HubClock, onLeft: (client: EventClient) => void) {
    this.options = options;
    this.clock = clock;
    this.#onLeft = onLeft;
  }

  get size(): number {
    return this.#channels.size;
  }

  get(taskId: string): TaskChannel | undefined {
    return this.#channels.get(taskId);
  }

  /** @throws SpanledgerError `SPANLEDGER_BUS_FULL`, and what the bus throws */
  open(taskId: string): TaskChannel {
    const { bus, tasksMax, eventsMax } = this.options;
    this.#checkRoom();
    if (this.size >= tasksMax) this.#dropIdle();
    // No request's context is kept alive by what outlives it.
    const channel = context.with(ROOT_CONTEXT, () => {
      return new TaskChannel(taskId, bus.subscribe({ taskId, chunks: true, buffer: eventsMax }), this);
    });
    this.#channels.set(taskId, channel);
    // Until its first client is there.
    this.#idle.add(channel);
    this.#expireLater(channel);
    return channel;
  }

  /** Throws what `open` would throw, and changes nothing. */
  check(taskId: string): void {
    this.#checkRoom();
    this.options.bus.subscribe({ taskId }).close();
  }

  /** It has a client. */
  occupy(channel: TaskChannel): void {
    this.#idle.delete(channel);
    if (!channel.ring.isFinished) this.#keep(channel);
    channel.pumpSoon();
  }

  close(): void {
    for (const channel of this.#channels.values()) this.#dismiss(channel, 'close');
  }

  onPushed(channel: TaskChannel): void {
    const isFull = (): boolean => this.memory.bytes > this.options.bytesMax;
    while (isFull() && this.#dropIdle(channel));
    if (isFull()) channel.pump();
    while (isFull() && channel.ring.size > 1) channel.forgetOldest();
    channel.pumpSoon();
  }

  onEnd(channel: TaskChannel): void {
    if (!this.#has(channel)) return;
    // Of a closed bus nothing will be here for who comes back, so nobody waits for who is slow.
    if (!channel.ring.isFinished) return this.#dismiss(channel, 'close');
    this.#expireLater(channel);
    channel.pumpSoon();
  }

  onLeft(channel: TaskChannel, client: EventClient): void {
    this.#onLeft(client);
    if (channel.clients.size > 0 || !this.#has(channel)) return;
    this.#idle.add(channel);
    if (!channel.ring.isFinished) this.#expireLater(channel);
  }

  /** @throws SpanledgerError `SPANLEDGER_BUS_FULL` */
  #checkRoom(): void {
    const { tasksMax } = this.options;
    if (this.size < tasksMax || this.#idle.size > 0) return;
    throw new SpanledgerError('SPANLEDGER_BUS_FULL', `there are clients of ${tasksMax} tasks already`);
  }

  #has(channel: TaskChannel): boolean {
    return this.#channels.get(channel.taskId) === channel;
  }

  /** @returns whether there was one. */
  #dropIdle(except?: TaskChannel): boolean {
    for (const channel of this.#idle) {
      if (channel === except) continue;
      this.#dismiss(channel, 'close');
      return true;
    }
    return false;
  }

  /** Who is still not through by then is too slow to be waited for. */
  #expireLater(channel: TaskChannel): void {
    this.#keep(channel);
    const expire = (): void => this.#dismiss(channel, 'destroy');
    this.#expiries.set(channel, this.clock.later(this.options.graceMs, expire));
  }

  #keep(channel: TaskChannel): void {
    this.#expiries.get(channel)?.();
    this.#expiries.delete(channel);
  }

  #dismiss(channel: TaskChannel, farewell: 'close' | 'destroy'): void {
    this.#channels.delete(channel.taskId);
    this.#idle.delete(channel);
    this.#keep(channel);
    channel.close(farewell);
  }
}
