export type { BusEvent, BusEventItem, BusItem, SubscriberLagged } from './bus/bus-event.ts';
export type { EventBusOptions, SubscriptionOptions } from './bus/bus-options.ts';
export { createEventBus } from './bus/create-event-bus.ts';
export type { EventBus } from './bus/create-event-bus.ts';
export type { Subscription } from './bus/subscription.ts';
export type { PublishResult } from './bus/task.ts';
export { createTaskEvents } from './bus/sse/task-events.ts';
export type { TaskEvents } from './bus/sse/task-events.ts';
export type { TaskEventsOptions } from './bus/sse/sse-options.ts';
