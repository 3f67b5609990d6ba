import { connect } from '@nats-io/transport-node';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { assertLedger } from '@spanledger/testkit';
import type { RunCheck } from '@spanledger/testkit';

export interface Ledger {
  readonly runs: readonly RunCheck[];
  readonly events: readonly Record<string, unknown>[];
}

/** Everything in the stream, read with nats.js alone and verified run by run. Empty while there is no stream. */
export async function readLedger(servers: string): Promise<Ledger> {
  const connection = await connect({ servers });
  try {
    const manager = await jetstreamManager(connection);
    const info = await manager.streams.info('AUDIT_EVENTS').catch(() => undefined);
    const stored: Uint8Array[] = [];
    if (info !== undefined && info.state.messages > 0) {
      const consumer = await jetstream(connection).consumers.get('AUDIT_EVENTS');
      for await (const message of await consumer.consume()) {
        stored.push(message.data);
        if (message.info.pending === 0) break;
      }
    }
    return { runs: assertLedger(stored), events: stored.map((bytes) => JSON.parse(Buffer.from(bytes).toString())) };
  } finally {
    await connection.close();
  }
}

export function count(ledger: Ledger, event: string): number {
  return ledger.events.filter((one) => one['event'] === event).length;
}
