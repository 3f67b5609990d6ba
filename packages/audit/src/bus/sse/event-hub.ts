import { ROOT_CONTEXT, context } from '@opentelemetry/api';
import { SpanledgerError } from '@spanledger/protocol';
import type { EventFilter } from '../event-filter.ts';
import { EventClient } from './event-client.ts';
import type { Outlet } from './event-client.ts';
import { realClock } from './hub-clock.ts';
import type { HubClock } from './hub-clock.ts';
import type { ResolvedTaskEvents } from './sse-options.ts';
import { TaskChannel } from './task-channel.ts';
import type { ChannelOwner } from './task-channel.ts';

/** Whom a client is, and what it wants. */
export interface ClientRequest {
  readonly taskId: string;
  readonly filter: EventFilter;
  /** What it has had last, by its own word. */
  readonly lastEventId: string | undefined;
}

/** A client that is connected. */
export interface ConnectedClient {
  /** Its outlet takes more again. */
  resume(): void;
  /** It is gone. Doing it again does nothing. */
  leave(): void;
}

/**
 * Between the bus and those who read it over a network: one subscription for each task that has clients, and a memory of its last
 * events, so that who is cut off for a moment misses nothing.
 *
 * I7: clients, tasks and bytes are bounded. Of tasks without clients, the one that was left first goes first.
 */
export class EventHub implements ChannelOwner {
  readonly #options: ResolvedTaskEvents;
  readonly #clock: HubClock;
  readonly #channels = new Map<string, TaskChannel>();
  /** Those without clients, by when they were left. */
  readonly #idle = new Set<TaskChannel>();
  readonly #expiries = new Map<TaskChannel, () => void>();
  readonly #toPump = new Set<TaskChannel>();
  #clients = 0;
  #bytes = 0;
  #stopHeartbeat: (() => void) | undefined;
  #closed = false;

  constructor(options: ResolvedTaskEvents, clock: HubClock = realClock) {
    this.#options = options;
    this.#clock = clock;
  }

  /** What is held at the moment. */
  get held(): { readonly clients: number; readonly tasks: number; readonly bytes: number } {
    return { clients: this.#clients, tasks: this.#channels.size, bytes: this.#bytes };
  }

  /**
   * @param open makes the outlet, once it is sure that there is a place for the client.
   * @returns `undefined` if the task is finished, and the client has had all of it.
   * @throws SpanledgerError `SPANLEDGER_UNKNOWN_TASK`, `SPANLEDGER_BUS_CLOSED`, `SPANLEDGER_BUS_FULL`, `SPANLEDGER_VALUE`
   */
  connect({ taskId, filter, lastEventId }: ClientRequest, open: () => Outlet): ConnectedClient | undefined {
    this.#refuseClosed();
    if (this.#clients >= this.#options.clientsMax) throw full(`${this.#clients} clients`);
    const channel = this.#channels.get(taskId) ?? this.#openChannel(taskId);
    if (channel.state === 'finished' && lastEventId === undefined) throw finished(taskId);
    const place = channel.placeFor(filter, lastEventId);
    if (place === undefined) return undefined;
    const client = new EventClient(channel.ring, filter, open(), place);
    this.#enter(channel, client, filter);
    return {
      resume: () => {
        client.resume();
        channel.endIfDone(client);
      },
      leave: () => this.#leave(channel, client),
    };
  }

  /** Throws what `connect` would throw, and changes nothing. */
  check({ taskId, lastEventId }: ClientRequest): void {
    this.#refuseClosed();
    const channel = this.#channels.get(taskId);
    if (channel === undefined) this.#options.bus.subscribe({ taskId }).close();
    else if (channel.state === 'finished' && lastEventId === undefined) throw finished(taskId);
  }

  /** Ends all clients, and leaves the bus, which stays open. Doing it again does nothing. */
  close(): void {
    this.#closed = true;
    for (const channel of this.#channels.values()) {
      channel.pump();
      this.#dismiss(channel, (client) => client.close());
    }
  }

  onPushed(channel: TaskChannel): void {
    this.#makeRoom(channel);
    this.#pumpSoon(channel);
  }

  onBytes(difference: number): void {
    this.#bytes += difference;
  }

  onEnd(channel: TaskChannel): void {
    if (this.#channels.get(channel.taskId) !== channel) return;
    if (channel.state === 'finished') {
      this.#expireLater(channel);
      this.#pumpSoon(channel);
    } else {
      // Nothing will be here for who comes back, so nobody waits for who is slow.
      channel.pump();
      this.#dismiss(channel, (client) => client.close());
    }
  }

  #openChannel(taskId: string): TaskChannel {
    const { bus, tasksMax, eventsMax } = this.#options;
    if (this.#channels.size >= tasksMax && !this.#dropIdle()) throw full(`clients of ${tasksMax} tasks`);
    // No request's context is kept alive by what outlives it.
    const channel = context.with(ROOT_CONTEXT, () => {
      const subscription = bus.subscribe({ taskId, chunks: true, buffer: eventsMax });
      return new TaskChannel(taskId, subscription, eventsMax, this);
    });
    this.#channels.set(taskId, channel);
    // Until its first client is there.
    this.#idle.add(channel);
    this.#expireLater(channel);
    return channel;
  }

  #enter(channel: TaskChannel, client: EventClient, filter: EventFilter): void {
    this.#clients += 1;
    channel.add(client, filter);
    this.#idle.delete(channel);
    if (channel.state === 'live') this.#keep(channel);
    this.#stopHeartbeat ??= context.with(ROOT_CONTEXT, () =>
      this.#clock.every(this.#options.heartbeatMs, () => this.#heartbeat()),
    );
    this.#pumpSoon(channel);
  }

  #leave(channel: TaskChannel, client: EventClient): void {
    if (!channel.clients.delete(client)) return;
    this.#clients -= 1;
    if (this.#clients === 0) {
      this.#stopHeartbeat?.();
      this.#stopHeartbeat = undefined;
    }
    if (channel.clients.size > 0 || this.#channels.get(channel.taskId) !== channel) return;
    this.#idle.add(channel);
    if (channel.state === 'live') this.#expireLater(channel);
  }

  #pumpSoon(channel: TaskChannel): void {
    if (this.#toPump.size === 0) this.#clock.soon(() => this.#pump());
    this.#toPump.add(channel);
  }

  #pump(): void {
    const channels = [...this.#toPump];
    this.#toPump.clear();
    for (const channel of channels) channel.pump();
  }

  #heartbeat(): void {
    for (const { clients } of this.#channels.values()) for (const client of clients) client.heartbeat();
  }

  #makeRoom(channel: TaskChannel): void {
    const { bytesMax } = this.#options;
    while (this.#bytes > bytesMax && this.#dropIdle(channel));
    if (this.#bytes <= bytesMax) return;
    channel.pump();
    while (this.#bytes > bytesMax && channel.ring.size > 1) channel.forgetOldest();
  }

  /** @returns whether there was one. */
  #dropIdle(except?: TaskChannel): boolean {
    for (const channel of this.#idle) {
      if (channel === except) continue;
      this.#dismiss(channel, (client) => client.destroy());
      return true;
    }
    return false;
  }

  #expireLater(channel: TaskChannel): void {
    this.#keep(channel);
    // Who is still not through by then is too slow to be waited for.
    const expire = (): void => {
      // Its turn to be sent may not have come, where the grace is short or the process was busy.
      channel.pump();
      this.#dismiss(channel, (client) => client.destroy());
    };
    this.#expiries.set(channel, this.#clock.later(this.#options.graceMs, expire));
  }

  #keep(channel: TaskChannel): void {
    this.#expiries.get(channel)?.();
    this.#expiries.delete(channel);
  }

  #dismiss(channel: TaskChannel, farewell: (client: EventClient) => void): void {
    this.#channels.delete(channel.taskId);
    this.#idle.delete(channel);
    this.#keep(channel);
    channel.close();
    for (const client of channel.clients) {
      this.#leave(channel, client);
      farewell(client);
    }
  }

  #refuseClosed(): void {
    if (this.#closed) throw new SpanledgerError('SPANLEDGER_BUS_CLOSED', 'the events of tasks are not served any more');
  }
}

function full(what: string): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_BUS_FULL', `there are ${what} already`);
}

function finished(taskId: string): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_UNKNOWN_TASK', `task ${taskId} is finished`);
}
