export { spanledger } from './spanledger.ts';
export type { SpanledgerOptions } from './spanledger.ts';
export { taskEvents } from './task-events.ts';
export type { TaskEventsHandler } from './task-events.ts';
