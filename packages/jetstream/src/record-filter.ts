import { AUDIT_SUBJECT, decodeSubject, withoutForgeForm } from '@spanledger/protocol';
import type { LedgerRecord } from '@spanledger/protocol';

/** What to look for; `undefined` is anything, `''` is none. */
export interface RecordFilter {
  readonly execution?: string | undefined;
  readonly workflow?: string | undefined;
  readonly producer?: string | undefined;
}

const decoder = new TextDecoder();

/**
 * What the server's subject filters cannot say: a flat event carries its identity in its body only, and where several
 * filters are not to be had, everything is fetched.
 */
export function matchesFilter({ subject = AUDIT_SUBJECT, bytes }: LedgerRecord, filter: RecordFilter): boolean {
  const { workflow, execution, producer } = filter;
  if (workflow === undefined && execution === undefined && producer === undefined) return true;
  if (subject === AUDIT_SUBJECT) {
    const event = parseObject(bytes);
    return (
      has(event, 'workflow_id', workflow) &&
      has(event, 'workflow_execution_id', execution) &&
      has(event, 'producer', producer)
    );
  }
  const parts = decodeSubject(subject);
  if (parts === undefined) return false;
  return (
    (workflow === undefined || (parts.workflowId ?? '') === workflow) &&
    (execution === undefined || (parts.executionId ?? '') === execution) &&
    (producer === undefined || parts.producer === producer)
  );
}

function has(event: Record<string, unknown> | undefined, key: string, value: string | undefined): boolean {
  return value === undefined || (event !== undefined && (event[key] ?? '') === value);
}

function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value = withoutForgeForm(JSON.parse(decoder.decode(bytes)));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
