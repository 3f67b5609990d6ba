import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';

/** A server that has just come back may refuse the first connection. */
const PATIENT = { maxReconnectAttempts: -1, reconnectTimeWait: 100, waitOnFirstConnect: true };

/** Looks at a stream and changes it, over nats.js alone. */
export async function openStreamAdmin(context, servers, stream = 'AUDIT_EVENTS') {
  const connection = context.own(await connect({ servers, ...PATIENT }));
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: 5_000 });
  return {
    /** Creates it as the packages do, with these settings beside. */
    create: (settings) =>
      manager.streams.add({
        name: stream,
        subjects: ['auditEvent', 'auditEvent.>'],
        storage: 'file',
        discard: 'new',
        deny_delete: true,
        deny_purge: true,
        allow_direct: true,
        duplicate_window: 600_000_000_000,
        ...settings,
      }),
    update: (settings) => manager.streams.update(stream, settings),
    /** @returns its state and cluster; `undefined` while nobody answers */
    info: () => manager.streams.info(stream).catch(() => undefined),
  };
}

/** The number of the last message of a stream, asked over a connection of its own. */
export async function lastSeqOf(servers, stream = 'AUDIT_EVENTS') {
  const connection = await connect({ servers, ...PATIENT });
  try {
    return (await (await jetstreamManager(connection)).streams.info(stream)).state.last_seq;
  } finally {
    await connection.close();
  }
}
