export { testAuditSink } from './audit-sink-suite.ts';
export type { AuditSinkHarness } from './audit-sink-suite.ts';
export { NatsCluster, startNatsCluster } from './nats-cluster.ts';
export { type NatsServer, type NatsServerOptions, startNats } from './nats-server.ts';
export { findNatsServer } from './nats-server-binary.mjs';
export { assertLedger, checkLedger, readNdjson } from './independent-reader.ts';
export type { RunCheck } from './independent-reader.ts';
export { assertValidEvents } from './valid-events.ts';
export type { EventLike } from './valid-events.ts';
