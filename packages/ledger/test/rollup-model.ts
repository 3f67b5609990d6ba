import { parseEvent } from '@spanledger/protocol';
import type { AuditEvent, LedgerRecord } from '@spanledger/protocol';

/** The true percentile: the value of that rank, from 1, among all of them. */
export function nearestRank(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.max(1, Math.ceil(share * sorted.length)) - 1] ?? 0;
}

export interface Expected {
  readonly outcomes: Record<string, number>;
  readonly durations: readonly number[];
  readonly retries: number;
  readonly tokens: Record<string, number>;
  readonly supersededTokens: Record<string, number>;
  readonly steps: Record<string, { outcomes: Record<string, number>; durations: number[]; retries: number }>;
}

/** What `rollup` should say, from all events at once, in the plainest way: it knows no bound and sums nothing up on the way. */
export function expectedRollup(records: readonly LedgerRecord[], workflowId: string): Expected {
  const unique = new Map(records.map(({ bytes }) => [new TextDecoder().decode(bytes), parseEvent(bytes)!]));
  const events = [...unique.values()].filter((event) => event.workflow_id === workflowId);
  const executions = new Set(events.map((event) => event.workflow_execution_id));
  const model = {
    outcomes: {} as Record<string, number>,
    durations: [] as number[],
    retries: 0,
    tokens: zero(),
    supersededTokens: zero(),
    steps: {} as Expected['steps'],
  };
  for (const execution of executions) {
    const own = events.filter((event) => event.workflow_execution_id === execution);
    const terminal = own.find(({ event }) => /^workflow_(complete|failed|cancelled)$/.test(event));
    const outcome = terminal?.event.replace('workflow_', '').replace(/complete$/, 'completed') ?? 'open';
    add(model.outcomes, outcome);
    if (outcome === 'completed') model.durations.push(terminal!.duration_ms!);
    for (const call of own.filter(({ event }) => event === 'llm_call')) {
      const totals = isSuperseded(call.step_id, call.attempt_epoch, own) ? model.supersededTokens : model.tokens;
      add(totals, 'calls');
      add(totals, 'inputTokens', call.input_tokens ?? 0);
      add(totals, 'outputTokens', call.output_tokens ?? 0);
      if (call.tokens_unavailable) add(totals, 'unavailable');
    }
    const ofSteps = own.filter(({ event }) => event.startsWith('workflow_step'));
    for (const stepId of new Set(ofSteps.map((event) => event.step_id!))) {
      const step = (model.steps[stepId] ??= { outcomes: {}, durations: [], retries: 0 });
      const epochs = new Set(ofSteps.filter((event) => event.step_id === stepId).map((event) => event.attempt_epoch!));
      const superseded = [...epochs].filter((epoch) => isSuperseded(stepId, epoch, own));
      step.retries += superseded.length;
      model.retries += superseded.length;
      const [last] = [...epochs].filter((epoch) => !superseded.includes(epoch));
      if (last === undefined) continue;
      const end = ofSteps.find((e) => e.step_id === stepId && e.attempt_epoch === last && e.duration_ms !== undefined);
      const ended = end?.event === 'workflow_step_completed' ? 'completed' : 'failed';
      add(step.outcomes, end === undefined ? 'open' : end.fields?.['status'] === 'cancelled' ? 'cancelled' : ended);
      if (end !== undefined && ended === 'completed') step.durations.push(end.duration_ms!);
    }
  }
  return model;
}

function isSuperseded(stepId: string | undefined, epoch: number | undefined, events: readonly AuditEvent[]): boolean {
  if (stepId === undefined || epoch === undefined) return false;
  const ofStep = events.filter((event) => event.step_id === stepId);
  if (ofStep.some((event) => (event.attempt_epoch ?? 0) > epoch)) return true;
  const parent = ofStep.find((event) => event.attempt_epoch === epoch && event.fields?.['parent'])?.fields?.['parent'];
  const { step_id, attempt_epoch } = (parent ?? {}) as { step_id?: string; attempt_epoch?: number };
  return isSuperseded(step_id, attempt_epoch, events);
}

function zero(): Record<string, number> {
  return { calls: 0, inputTokens: 0, outputTokens: 0, unavailable: 0 };
}

function add(counts: Record<string, number>, key: string, by = 1): void {
  counts[key] = (counts[key] ?? 0) + by;
}
