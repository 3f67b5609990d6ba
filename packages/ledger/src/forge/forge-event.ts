import type { AuditEvent } from '@spanledger/protocol';
import { isShort } from '../verify/field-values.ts';

/** An event of Forge's own profile, as it is read back from bytes that nobody vouches for. Nothing but `event` and `ts` is checked. */
export type ForgeEvent = Partial<AuditEvent> & Pick<AuditEvent, 'event' | 'ts'>;

/** What is held on to of an event. */
const KEPT = ['correlation_id', 'task_id', 'entity_id', 'producer', 'workflow_execution_id', 'prev_hash'] as const;

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** @returns `undefined` for what is none: it has a name and a time, and no run. */
export function parseForgeEvent(bytes: Uint8Array): ForgeEvent | undefined {
  try {
    const value = JSON.parse(decoder.decode(bytes)) as Partial<AuditEvent> | null;
    const isEvent = typeof value?.event === 'string' && typeof value.ts === 'string' && value.run_id === undefined;
    return isEvent && KEPT.every((name) => isShort(value[name])) ? (value as ForgeEvent) : undefined;
  } catch {
    return undefined;
  }
}

/** Who wrote it, as far as it says. */
export function emitterOf({ entity_id: entity, producer }: ForgeEvent): string {
  return textOf(entity) || textOf(producer);
}

/**
 * What its number counts: the calls under a correlation id, or, for an orchestrator, the execution. `undefined` for an event outside of
 * all of them, as at a process's start: it has no number.
 */
export function invocationOf(event: ForgeEvent): string | undefined {
  if (!Number.isSafeInteger(event.seq) || (event.seq as number) < 1) return undefined;
  const { correlation_id: correlation, workflow_execution_id: execution } = event;
  if (textOf(correlation) !== '') return JSON.stringify([textOf(correlation)]);
  return JSON.stringify([emitterOf(event), textOf(execution)]);
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
