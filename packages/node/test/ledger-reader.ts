import { connect } from '@nats-io/transport-node';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { assertLedger } from '@spanledger/testkit';
import type { RunCheck } from '@spanledger/testkit';

/** What a process says of itself, in its instance run. */
const OWN_EVENTS = new Set(['audit_checkpoint', 'audit_export_status']);

/** Without what processes say of themselves. */
export interface Ledger {
  readonly runs: readonly RunCheck[];
  readonly events: readonly Record<string, unknown>[];
}

/** Everything in the stream, read with nats.js alone and verified run by run. Empty while there is no stream. */
export async function readLedger(servers: string): Promise<Ledger> {
  const connection = await connect({ servers });
  try {
    const manager = await jetstreamManager(connection, { timeout: 30_000 });
    const info = await manager.streams.info('AUDIT_EVENTS').catch(() => undefined);
    const stored: Uint8Array[] = [];
    if (info !== undefined && info.state.messages > 0) {
      const consumer = await jetstream(connection).consumers.get('AUDIT_EVENTS');
      for await (const message of await consumer.consume()) {
        stored.push(message.data);
        if (message.info.pending === 0) break;
      }
    }
    const events: Record<string, unknown>[] = stored.map((bytes) => JSON.parse(Buffer.from(bytes).toString()));
    return {
      runs: withoutOwnEvents(assertLedger(stored)),
      events: events.filter(({ event }) => !OWN_EVENTS.has(String(event))),
    };
  } finally {
    await connection.close();
  }
}

function withoutOwnEvents(runs: readonly RunCheck[]): RunCheck[] {
  const rest = runs.map((run) => ({ ...run, names: run.names.filter((name) => !OWN_EVENTS.has(name)) }));
  return rest.filter(({ names }) => names.length > 0);
}

export function count(ledger: Ledger, event: string): number {
  return ledger.events.filter((one) => one['event'] === event).length;
}
