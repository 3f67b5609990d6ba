import { stripVTControlCharacters } from 'node:util';
import type { AuditEvent } from '@spanledger/protocol';
import type { Colors } from '../terminal/terminal.ts';
import { visible } from '../terminal/visible.ts';

const TIME_MAX = 32;
const SHORT_MAX = 128;
const FAILED = /fail|cancel|blocked|loss|abandoned/;
const DONE = /complete/;

/** The time of day of a well-formed `ts`, to the millisecond; else what is there. */
export function timeOf({ ts }: AuditEvent): string {
  const time = /T(\d\d:\d\d:\d\d\.\d{3})/.exec(ts.slice(0, TIME_MAX))?.[1];
  return time ?? visible(ts, TIME_MAX);
}

export function eventName(event: AuditEvent, colors: Colors): string {
  const name = visible(event.event, SHORT_MAX);
  if (FAILED.test(event.event) || hasFailed(event)) return colors.red(name);
  return DONE.test(event.event) ? colors.green(name) : colors.cyan(name);
}

/** `plan #2`: step and attempt. */
export function stepOf({
  step_id: step,
  attempt_epoch: attempt,
}: Pick<AuditEvent, 'step_id' | 'attempt_epoch'>): string {
  if (step === undefined) return '';
  return attempt === undefined
    ? visible(step, SHORT_MAX)
    : `${visible(step, SHORT_MAX)} #${visible(attempt, SHORT_MAX)}`;
}

/** A line of a superseded attempt: struck through where colours are, and said in a word. */
export function supersededText(text: string, { dim, strikethrough, yellow }: Colors): string {
  return `${dim(strikethrough(stripVTControlCharacters(text)))}  ${yellow('superseded')}`;
}

/** What an event says beside its name: duration, model, tokens, how it failed, which run was abandoned. */
export function measures(event: AuditEvent): string {
  const { duration_ms: duration, model, input_tokens: input, output_tokens: output } = event;
  const error = hasFailed(event)
    ? (event.fields?.['error_message'] ?? event.fields?.['error_type'] ?? 'error')
    : undefined;
  return [
    duration === undefined ? '' : durationText(duration),
    model === undefined ? '' : visible(model, SHORT_MAX),
    input === undefined && output === undefined ? '' : `${visible(input ?? 0)}→${visible(output ?? 0)} tokens`,
    error === undefined ? '' : visible(error, SHORT_MAX),
    event.event === 'run_abandoned' ? `run ${visible(event.fields?.['run_id'], SHORT_MAX)}` : '',
  ]
    .filter((part) => part !== '')
    .join('  ');
}

/** Of milliseconds that anybody may have written. */
export function durationText(ms: unknown): string {
  if (typeof ms !== 'number' || !Number.isFinite(ms)) return visible(ms, TIME_MAX);
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  const seconds = ms / 1_000;
  if (seconds < 120) return `${seconds.toFixed(1)} s`;
  return seconds < 7_200 ? `${(seconds / 60).toFixed(1)} min` : `${(seconds / 3_600).toFixed(1)} h`;
}

/** `fields` is whatever was written: an array, a text, nothing. */
function hasFailed(event: AuditEvent): boolean {
  return typeof event.fields === 'object' && event.fields !== null && event.fields['status'] === 'error';
}
