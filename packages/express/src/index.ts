export { auditKeys } from './audit-keys.ts';
export { spanledger } from './spanledger.ts';
export type { Middleware } from './spanledger.ts';
export { taskEvents } from './task-events.ts';
export type { TaskEventsHandler } from './task-events.ts';
