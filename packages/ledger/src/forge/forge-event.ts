import type { AuditEvent } from '@spanledger/protocol';

/** An event of Forge's own profile, as it is read back from bytes that nobody vouches for. Nothing but `event` and `ts` is checked. */
export type ForgeEvent = Partial<AuditEvent> & Pick<AuditEvent, 'event' | 'ts'>;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @returns `undefined` for what is none: it has a name and a time, and no run. */
export function parseForgeEvent(bytes: Uint8Array): ForgeEvent | undefined {
  try {
    const value = JSON.parse(decoder.decode(bytes)) as Partial<AuditEvent> | null;
    const isEvent = typeof value?.event === 'string' && typeof value.ts === 'string' && value.run_id === undefined;
    return isEvent ? (value as ForgeEvent) : undefined;
  } catch {
    return undefined;
  }
}

/** Who wrote it, as far as it says. */
export function emitterOf({ entity_id: entity, producer }: ForgeEvent): string {
  return textOf(entity) || textOf(producer);
}

/**
 * What its number counts: the invocation of an agent, or, for an orchestrator, the execution. `undefined` for an event outside of
 * all of them, as at a process's start: it has no number.
 */
export function invocationOf(event: ForgeEvent): string | undefined {
  if (!Number.isSafeInteger(event.seq) || (event.seq as number) < 1) return undefined;
  const { correlation_id: correlation, task_id: task, workflow_execution_id: execution } = event;
  if (textOf(correlation) !== '') return JSON.stringify([textOf(correlation), textOf(task)]);
  return JSON.stringify([emitterOf(event), textOf(execution)]);
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
