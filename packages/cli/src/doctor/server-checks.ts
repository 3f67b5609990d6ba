import { fail, ok, warn } from './check.ts';
import type { Check } from './check.ts';

const EVENT_BYTES = 65_536;

/** What the server said of itself when we connected. */
export interface ServerFacts {
  readonly version: string;
  readonly max_payload: number;
  readonly jetstream?: boolean;
}

export function serverChecks({ version, max_payload: maxPayload, jetstream }: ServerFacts): Check[] {
  return [versionCheck(version), payloadCheck(maxPayload), ...(jetstream ? [] : [noJetStream])];
}

const noJetStream = fail(
  'jetstream',
  'the server does not say that it has JetStream',
  'start it with -js, or with a jetstream {} block in its configuration',
);

function versionCheck(version: string): Check {
  const [major = 0, minor = 0, patch = 0] = version.split('.').map((part) => Number.parseInt(part, 10));
  const order = (major * 1_000 + minor) * 1_000 + patch;
  if (order < 2_009_000) return fail('server', `nats-server ${version}`, 'Spanledger needs nats-server 2.9 or later');
  if (order >= 2_010_023) return ok('server', `nats-server ${version}`);
  return warn(
    'server',
    `nats-server ${version}`,
    'update it: before 2.10.23 JetStream could lose acknowledged messages',
  );
}

function payloadCheck(maxPayload: number): Check {
  const text = `messages up to ${maxPayload} bytes`;
  if (maxPayload > EVENT_BYTES) return ok('max payload', text);
  return fail('max payload', text, `events have up to ${EVENT_BYTES} bytes: raise max_payload of the server`);
}
