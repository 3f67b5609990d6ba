import { AUDIT_SUBJECT, decodeSubject } from '@spanledger/protocol';
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

/** At the top, or in `fields`: the form `forge-1.0` keeps there what Forge does not know. */
function has(event: Record<string, unknown> | undefined, key: string, value: string | undefined): boolean {
  if (value === undefined) return true;
  if (event === undefined) return false;
  const fields = event['fields'] as Record<string, unknown> | null | undefined;
  return value === '' ? (event[key] ?? fields?.[key]) === undefined : event[key] === value || fields?.[key] === value;
}

function parseObject(bytes: Uint8Array): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(decoder.decode(bytes));
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
