import type { AuditEvent } from '@spanledger/protocol';

interface Named {
  readonly step_id?: unknown;
  readonly attempt_epoch?: unknown;
}

/** An event is superseded if its attempt, or one that it is in, has a later one: looked up in all events anew, each time. */
export function isSupersededIn(events: readonly AuditEvent[], event: AuditEvent): boolean {
  const scope = (one: AuditEvent): string => one.workflow_execution_id ?? one.run_id;
  const own = events.filter((one) => scope(one) === scope(event));
  const seen = new Set<string>();
  const isGone = (attempt: Named): boolean => {
    const key = JSON.stringify(attempt);
    if (seen.has(key)) return false;
    seen.add(key);
    const named = own.flatMap((one) => [...attemptsOf(one), ...parentsOf(one)]);
    if (named.some((one) => one.step_id === attempt.step_id && epochOf(one) > epochOf(attempt))) return true;
    const starts = own.filter((one) => attemptsOf(one).some((of) => JSON.stringify(of) === key));
    return starts.flatMap(parentsOf).some(isGone);
  };
  return attemptsOf(event).some(isGone);
}

function attemptsOf({ event, fields, step_id, attempt_epoch }: AuditEvent): Named[] {
  const named = event === 'stream_rewind' ? { step_id: fields?.['step'], attempt_epoch: fields?.['new_epoch'] } : {};
  return [named, { step_id, attempt_epoch }].filter(isNamed).slice(0, 1);
}

function parentsOf(event: AuditEvent): Named[] {
  if (event.event !== 'workflow_step_started' || attemptsOf(event).length === 0) return [];
  const { step_id, attempt_epoch } = (event.fields?.['parent'] ?? {}) as Named;
  return [{ step_id, attempt_epoch }].filter(isNamed);
}

function isNamed({ step_id, attempt_epoch }: Named): boolean {
  return (
    typeof step_id === 'string' && step_id !== '' && Number.isInteger(attempt_epoch) && epochOf({ attempt_epoch }) > 0
  );
}

function epochOf({ attempt_epoch }: Named): number {
  return attempt_epoch as number;
}
