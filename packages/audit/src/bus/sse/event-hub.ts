import { ROOT_CONTEXT, context } from '@opentelemetry/api';
import { SpanledgerError } from '@spanledger/protocol';
import { EventClient } from './event-client.ts';
import type { Outlet } from './event-client.ts';
import { realClock } from './hub-clock.ts';
import type { HubClock } from './hub-clock.ts';
import type { ResolvedTaskEvents } from './sse-options.ts';
import type { ClientRequest } from './sse-request.ts';
import type { TaskChannel } from './task-channel.ts';
import { TaskChannels } from './task-channels.ts';

/** A client that is connected. */
export interface ConnectedClient {
  /** Its outlet takes more again. */
  resume(): void;
  /** It is gone. Doing it again does nothing. */
  leave(): void;
}

/** Between the bus and those who read it over a network: who may connect, and who is connected (I7: so many at most). */
export class EventHub {
  readonly #options: ResolvedTaskEvents;
  readonly #clock: HubClock;
  readonly #channels: TaskChannels;
  readonly #clients = new Set<EventClient>();
  #stopHeartbeat: (() => void) | undefined;
  #closed = false;

  constructor(options: ResolvedTaskEvents, clock: HubClock = realClock) {
    this.#options = options;
    this.#clock = clock;
    this.#channels = new TaskChannels(options, clock, (client) => this.#remove(client));
  }

  /** What is held at the moment. */
  get held(): { readonly clients: number; readonly tasks: number; readonly bytes: number } {
    return { clients: this.#clients.size, tasks: this.#channels.size, bytes: this.#channels.memory.bytes };
  }

  /**
   * @param open makes the outlet, once it is sure that there is a place for the client.
   * @returns `undefined` if the task is finished, and the client has had all of it.
   * @throws SpanledgerError `SPANLEDGER_UNKNOWN_TASK`, `SPANLEDGER_BUS_CLOSED`, `SPANLEDGER_BUS_FULL`, `SPANLEDGER_VALUE`
   */
  connect(request: ClientRequest, open: () => Outlet): ConnectedClient | undefined {
    const { taskId, filter, lastEventId } = request;
    const channel = this.#find(request) ?? this.#channels.open(taskId);
    const place = channel.placeFor(filter, lastEventId);
    if (place === undefined) return undefined;
    const client = new EventClient(channel.ring, filter, open(), place);
    this.#add(client);
    channel.add(client, filter);
    this.#channels.occupy(channel);
    return { resume: () => client.resume(), leave: () => channel.remove(client) };
  }

  /** Throws what `connect` would throw, and changes nothing. */
  check(request: ClientRequest): void {
    if (this.#find(request) === undefined) this.#channels.check(request.taskId);
  }

  /** Ends all clients, and leaves the bus, which stays open. Doing it again does nothing. */
  close(): void {
    this.#closed = true;
    this.#channels.close();
  }

  /**
   * @throws SpanledgerError `SPANLEDGER_BUS_CLOSED`; `SPANLEDGER_BUS_FULL`; `SPANLEDGER_UNKNOWN_TASK` where the task is finished, and this is no
   * client of before
   */
  #find({ taskId, lastEventId }: ClientRequest): TaskChannel | undefined {
    if (this.#closed) throw new SpanledgerError('SPANLEDGER_BUS_CLOSED', 'the events of tasks are not served any more');
    const channel = this.#channels.get(taskId);
    if (channel?.ring.isFinished && lastEventId === undefined) {
      throw new SpanledgerError('SPANLEDGER_UNKNOWN_TASK', `task ${taskId} is finished`);
    }
    if (this.#clients.size >= this.#options.clientsMax) {
      throw new SpanledgerError('SPANLEDGER_BUS_FULL', `there are ${this.#clients.size} clients already`);
    }
    return channel;
  }

  #add(client: EventClient): void {
    this.#clients.add(client);
    // No request's context is kept alive by what outlives it.
    this.#stopHeartbeat ??= context.with(ROOT_CONTEXT, () =>
      this.#clock.every(this.#options.heartbeatMs, () => this.#clients.forEach((one) => one.heartbeat())),
    );
  }

  #remove(client: EventClient): void {
    this.#clients.delete(client);
    if (this.#clients.size > 0) return;
    this.#stopHeartbeat?.();
    this.#stopHeartbeat = undefined;
  }
}
