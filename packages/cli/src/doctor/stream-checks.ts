import type { StreamDifference, StreamState } from '@spanledger/jetstream';
import type { StreamInfo } from '../source/stream-info.ts';
import { durationText } from '../commands/event-text.ts';
import { fail, fullnessCheck, ok, warn } from './check.ts';
import type { Check } from './check.ts';

const NANOS_PER_MS = 1e6;

/** Settings that are told together, and what it means when they are right. */
const GROUPS: readonly { readonly name: string; readonly settings: readonly string[]; readonly good: string }[] = [
  { name: 'append-only', settings: ['deny_delete', 'deny_purge'], good: 'nothing can be deleted or purged' },
  { name: 'discard', settings: ['discard'], good: 'a full stream refuses, and eats nothing' },
  { name: 'subjects', settings: ['subjects'], good: 'auditEvent and all below it' },
  { name: 'storage', settings: ['storage'], good: 'on files' },
  { name: 'duplicate window', settings: ['duplicate_window'], good: 'ten minutes or more' },
];
/** Compared with what was asked for; here nothing was. They have checks of their own. */
const LIMITS: ReadonlySet<string> = new Set(['num_replicas', 'max_bytes', 'max_age', 'compression']);

export function streamChecks(stream: string, state: StreamState, info: StreamInfo | undefined): Check[] {
  if (state.status === 'missing') {
    return [fail('stream', `${stream} does not exist`, '`spanledger stream init` creates it')];
  }
  if (state.status === 'unknown' || info === undefined) {
    const reason = state.status === 'unknown' ? state.reason : 'no answer';
    return [warn('stream', `${stream}: ${reason}`, 'a producer needs no more; to look, $JS.API.STREAM.INFO is needed')];
  }
  const { messages, bytes } = info.state;
  return [
    ok('stream', `${stream}: ${messages} events, ${bytes} bytes`),
    ...settingChecks(state.differences),
    replicasCheck(Number(info.config['num_replicas'] ?? 1)),
    sizeCheck(info),
    ...ageChecks(info),
  ];
}

/** Only where there is one: transcripts are off by default. */
export function transcriptChecks({ status, differences }: StreamState): Check[] {
  if (status !== 'found') return [];
  const wrong = differences.filter(({ setting }) => !LIMITS.has(setting));
  return [wrong.length === 0 ? ok('transcripts', 'can be erased; nothing else goes') : differs('transcripts', wrong)];
}

function settingChecks(differences: readonly StreamDifference[]): Check[] {
  const grouped = GROUPS.map(({ name, settings, good }) => {
    const wrong = differences.filter(({ setting }) => settings.includes(setting));
    return wrong.length === 0 ? ok(name, good) : differs(name, wrong);
  });
  const named = new Set(GROUPS.flatMap(({ settings }) => settings));
  const others = differences.filter(({ setting }) => !named.has(setting) && !LIMITS.has(setting));
  return [...grouped, ...others.map((one) => differs(one.setting, [one]))];
}

function differs(name: string, wrong: readonly StreamDifference[]): Check {
  const text = wrong.map(({ setting, actual }) => `${setting} is ${JSON.stringify(actual)}`).join(', ');
  const wanted = wrong.map(({ setting, expected }) => `${setting}: ${JSON.stringify(expected)}`).join(', ');
  const make = wrong.some(({ severity }) => severity === 'error') ? fail : warn;
  return make(name, text, `set ${wanted}; if the server does not allow that, make a new stream and export into it`);
}

function replicasCheck(replicas: number): Check {
  if (replicas >= 3) return ok('replicas', `${replicas} copies`);
  const text = replicas === 1 ? 'one copy' : `${replicas} copies`;
  const advice = 'a lost disk loses the ledger: 3 replicas on three servers (`stream init --replicas 3`)';
  return warn('replicas', text, replicas === 1 ? advice : 'two copies need both servers: use 3');
}

function sizeCheck({ config, state }: StreamInfo): Check {
  const messageMax = Number(config['max_msg_size'] ?? -1);
  if (messageMax > 0 && messageMax < 65_536) {
    return fail('limits', `messages up to ${messageMax} bytes`, 'raise max_msg_size to 65536 or more, or remove it');
  }
  const used = [
    { used: state.bytes, max: Number(config['max_bytes'] ?? -1), unit: 'bytes' },
    { used: state.messages, max: Number(config['max_msgs'] ?? -1), unit: 'events' },
  ].filter(({ max }) => max > 0);
  const [fullest] = used.sort((a, b) => b.used / b.max - a.used / a.max);
  if (fullest === undefined) return ok('limits', 'no limit of its own: the disk and the account are the limit');
  const advice = `a full stream refuses and producers keep events on their disks: raise ${fullest.unit === 'bytes' ? 'max_bytes' : 'max_msgs'} in time`;
  return fullnessCheck('limits', fullest, advice);
}

function ageChecks({ config, state }: StreamInfo): Check[] {
  const ageMs = Number(config['max_age'] ?? 0) / NANOS_PER_MS;
  const checks: Check[] = [];
  if (ageMs > 0) {
    const advice = 'export them before: `spanledger export`; or set max_age to 0';
    checks.push(warn('max age', `events are deleted after ${durationText(ageMs)}`, advice));
  }
  if (state.first_seq > 1 && state.messages > 0) {
    const advice = 'they have expired, or were deleted: runs of that time show gaps at their start';
    checks.push(warn('oldest event', `the stream begins at seq ${state.first_seq}`, advice));
  }
  return checks;
}
