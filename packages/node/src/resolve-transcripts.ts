import type { TranscriptOptions } from '@spanledger/audit';
import type { StreamOptions } from '@spanledger/jetstream';
import { SpanledgerError } from '@spanledger/protocol';
import { TRANSCRIPTS_KEYS } from './config.ts';
import type { SpanledgerConfig } from './config.ts';
import type { ResolvedNats } from './resolve-nats.ts';
import { refuseUnknown } from './unknown-option.ts';

/** Transcripts that are turned on. */
export interface ResolvedTranscripts {
  /** `undefined`: those of spans are not. */
  readonly spans: TranscriptOptions | undefined;
  readonly stream: StreamOptions;
}

/**
 * @param nats where the ledger is on NATS.
 * @returns `undefined` where they are off.
 * @throws SpanledgerError `SPANLEDGER_OPTION`, also where the ledger cannot take them.
 */
export function resolveTranscripts(
  { transcripts, sink }: SpanledgerConfig,
  env: string | undefined,
  nats: ResolvedNats | undefined,
): ResolvedTranscripts | undefined {
  const given = transcripts ?? fromEnvironment(env?.trim().toLowerCase() ?? '');
  const source = transcripts === undefined ? 'SPANLEDGER_TRANSCRIPTS' : '`transcripts`';
  if (given === false) return undefined;
  if (given !== true && (typeof given !== 'object' || given === null))
    throw unusable(`${source} must be true or false`);
  const { spans = true, stream, ...options } = given === true ? {} : given;
  refuseUnknown(given === true ? {} : given, TRANSCRIPTS_KEYS, 'transcripts.');
  if (typeof spans !== 'boolean') throw unusable('transcripts.spans must be true or false');
  if (sink === undefined && nats === undefined) {
    throw unusable(
      `${source} needs a server: set \`nats.servers\` or SPANLEDGER_NATS_URL; a local file takes no transcripts`,
    );
  }
  if (sink !== undefined && sink.writeTranscript === undefined) {
    throw unusable(`${source} needs a sink that takes transcripts, and ${sink.name} takes none, or was not told to`);
  }
  const replicas = nats?.stream?.replicas;
  return { spans: spans ? options : undefined, stream: { ...(replicas !== undefined && { replicas }), ...stream } };
}

function fromEnvironment(value: string): boolean {
  if (['', 'false', '0', 'off'].includes(value)) return false;
  if (['true', '1', 'on'].includes(value)) return true;
  throw unusable(`SPANLEDGER_TRANSCRIPTS must be true or false, got ${JSON.stringify(value)}`);
}

function unusable(message: string): SpanledgerError {
  return new SpanledgerError('SPANLEDGER_OPTION', message);
}
