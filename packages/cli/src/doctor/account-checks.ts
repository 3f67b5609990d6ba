import { AUDIT_SUBJECT } from '@spanledger/protocol';
import { at, fullnessCheck, ok, warn } from './check.ts';
import type { Check } from './check.ts';

interface Permissions {
  readonly allow: readonly string[] | undefined;
  readonly deny: readonly string[];
}

/** @param answer of `$SYS.REQ.USER.INFO`, which servers have since 2.10; `undefined` if there was none. */
export function accountChecks(answer: unknown, stream: string): Check[] {
  const data = at(answer, 'data');
  if (data === undefined) {
    return [warn('account', 'not known', 'servers tell since 2.10, to accounts that may publish $SYS.REQ.USER.INFO')];
  }
  const name = `user ${String(at(data, 'user') || '(none)')}, account ${String(at(data, 'account_name') ?? at(data, 'account'))}`;
  const publish = permissions(at(data, 'permissions', 'publish'));
  return [ok('account', name), readCheck(publish, stream), writeCheck(publish), ...changeChecks(publish, stream)];
}

/** @param answer of `$JS.API.INFO`; nothing is said where it is not known, or where the account has no limit or several tiers. */
export function quotaChecks(answer: unknown): Check[] {
  const [used, max] = [Number(at(answer, 'storage')), Number(at(answer, 'limits', 'max_storage'))];
  if (!(max > 0) || Number.isNaN(used)) return [];
  const advice =
    'a full account refuses, and producers keep events on their disks: raise its JetStream max_file in time';
  return [fullnessCheck('account limits', { used, max, unit: 'bytes' }, advice)];
}

function readCheck(publish: Permissions, stream: string): Check {
  const needed = [
    `$JS.API.STREAM.INFO.${stream}`,
    `$JS.API.CONSUMER.CREATE.${stream}.>`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.>`,
  ];
  const missing = needed.filter((subject) => !may(publish, subject));
  if (missing.length === 0) return ok('reading', 'this account may read the stream');
  return warn(
    'reading',
    `this account may not read: ${missing.join(', ')}`,
    'a reader needs these; a producer does not',
  );
}

function writeCheck(publish: Permissions): Check {
  if (may(publish, `${AUDIT_SUBJECT}.*.*.*`) || may(publish, `${AUDIT_SUBJECT}.*.*.spanledger-doctor`)) {
    const advice = `give each producer an account that may publish ${AUDIT_SUBJECT}.*.*.<producer> only`;
    return warn('writing', 'this account may write events as any producer', advice);
  }
  const bound = (publish.allow ?? []).filter((subject) => subject.startsWith(`${AUDIT_SUBJECT}.`));
  return ok('writing', bound.length > 0 ? `only on ${bound.join(', ')}` : 'this account may write no event');
}

function changeChecks(publish: Permissions, stream: string): Check[] {
  const can = ['DELETE', 'UPDATE', 'PURGE'].filter((verb) => may(publish, `$JS.API.STREAM.${verb}.${stream}`));
  if (can.length === 0) return [ok('administration', 'this account cannot delete or change the stream')];
  const advice =
    'let nobody but an administrator have $JS.API.STREAM.{DELETE,UPDATE,PURGE}: deny_delete does not keep a stream';
  return [warn('administration', `this account may ${can.join(', ').toLowerCase()} the stream`, advice)];
}

function permissions(value: unknown): Permissions {
  const list = (key: string): string[] | undefined => {
    const subjects = at(value, key);
    return Array.isArray(subjects) ? subjects.map(String) : undefined;
  };
  return { allow: list('allow'), deny: list('deny') ?? [] };
}

function may({ allow, deny }: Permissions, subject: string): boolean {
  const allowed = allow === undefined || allow.some((pattern) => covers(pattern, subject));
  return allowed && !deny.some((pattern) => covers(pattern, subject));
}

/** Whether everything that matches `subject` matches `pattern`. */
function covers(pattern: string, subject: string): boolean {
  const tokens = subject.split('.');
  const parts = pattern.split('.');
  for (const [index, part] of parts.entries()) {
    if (part === '>') return tokens.length > index;
    const token = tokens[index];
    if (token === undefined || token === '>' || (part !== '*' && part !== token)) return false;
  }
  return tokens.length === parts.length;
}
