export { connectNats } from './connect-nats.ts';
export type { ConnectNatsOptions } from './connect-nats.ts';
export type { ConnectionSource, OpenConnection } from './connection-source.ts';
export {
  checkStream,
  checkTranscriptStream,
  ensureStream,
  ensureTranscriptStream,
  requireStream,
} from './ensure-stream.ts';
export type { StreamState } from './ensure-stream.ts';
export { feedBus } from './feed-bus.ts';
export type { FeedBusOptions, FeedCounts, PublishingBus } from './feed-bus.ts';
export { jetStreamAttemptStore } from './jetstream-attempt-store.ts';
export type { JetStreamAttemptStoreOptions } from './jetstream-attempt-store.ts';
export { jetStreamSink } from './jetstream-sink.ts';
export type { JetStreamSinkOptions, TranscriptSinkOptions } from './jetstream-sink.ts';
export type { NatsConnectionLike, NatsMessage, NatsSubscription } from './nats-connection.ts';
export { parseNatsServers } from './nats-servers.ts';
export type { NatsServers } from './nats-servers.ts';
export { readAudit } from './read-audit.ts';
export type { ReadAuditOptions } from './read-audit.ts';
export type { StreamDifference, StreamOptions } from './stream-config.ts';
export { eraseTranscripts, readTranscripts } from './transcripts.ts';
export type { TranscriptFilter, TranscriptStreamOptions } from './transcripts.ts';
