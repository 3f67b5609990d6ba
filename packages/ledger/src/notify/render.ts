import { SpanledgerError, encodeToken } from '@spanledger/protocol';
import type { Facts } from './facts.ts';
import type { Notification, NotificationLink, NotificationStatus } from './notification.ts';
import { plainText } from './plain-text.ts';

/** What a message is about. As the events have it. */
export interface NotificationKey {
  readonly executionId: string;
  /** Absent for the workflow itself. */
  readonly stepId?: string;
}

/**
 * Where a message leads to: templates of URLs, by label. `{execution}`, `{workflow}`, `{step}` and `{trace}` are replaced by the ids,
 * encoded. A link with a place for something that is not known is left out.
 */
export type LinkTemplates = Readonly<Record<string, string>>;

/** One name for each key: tokens hold no dot. */
export function notificationId({ executionId, stepId }: NotificationKey): string {
  return `${encodeToken(executionId)}.${encodeToken(stepId)}`;
}

/** @throws SpanledgerError `SPANLEDGER_OPTION` */
export function checkLinks(links: LinkTemplates): LinkTemplates {
  const wrong = Object.entries(links).find(([, template]) => !/^https?:\/\/[^{}]/.test(template));
  if (wrong === undefined) return links;
  throw new SpanledgerError('SPANLEDGER_OPTION', `link ${wrong[0]} must be a URL that begins with http:// or https://`);
}

/** The message for what is known. The same facts give the same message. */
export function render(key: NotificationKey, facts: Facts, links: LinkTemplates): Notification {
  const { turn, stage, detail, superseded } = facts;
  const attempt = typeof turn === 'number' ? turn : undefined;
  const going: NotificationStatus = stage === 'heard' ? 'running' : stage;
  const status = superseded ? 'superseded' : going;
  const [workflowId, stepId] = [plainText(facts.workflowId), plainText(key.stepId)];
  const [producer, errorType] = [plainText(detail.producer), plainText(detail.errorType)];
  const message: Omit<Notification, 'title'> = {
    id: notificationId(key),
    executionId: plainText(key.executionId) ?? '',
    ...(workflowId !== undefined && { workflowId }),
    ...(stepId !== undefined && { stepId }),
    status,
    ...(attempt !== undefined && { attempt }),
    ...(producer !== undefined && { producer }),
    ...(detail.durationMs !== undefined && { durationMs: detail.durationMs }),
    ...(errorType !== undefined && status !== 'superseded' && { errorType }),
    ...(detail.traceId !== undefined && { traceId: detail.traceId }),
    links: linksOf(key, facts, links),
  };
  return { ...message, title: titleOf(message) };
}

/** The same, as it is said to those who have read of an attempt that is superseded. */
export function correction(message: Notification, correctsAttempt: number): Notification {
  return { ...message, correctsAttempt, title: `correction: ${message.title}` };
}

function titleOf({
  executionId,
  workflowId,
  stepId,
  status,
  attempt = 1,
  errorType,
}: Omit<Notification, 'title'>): string {
  const because = errorType === undefined || status === 'completed' ? '' : ` (${errorType})`;
  if (stepId === undefined) return `workflow ${workflowId ?? executionId}: ${status}${because}`;
  if (status === 'superseded') return `${stepId}: ${attemptsTo(attempt)} superseded`;
  if (attempt === 1) return `${stepId}: ${status}${because}`;
  return `${stepId}: attempt ${attempt} ${status}${because}; ${attemptsTo(attempt - 1)} superseded`;
}

function attemptsTo(last: number): string {
  return last === 1 ? 'attempt 1' : `attempts 1 to ${last}`;
}

function linksOf(key: NotificationKey, { workflowId, detail }: Facts, templates: LinkTemplates): NotificationLink[] {
  const values = new Map([
    ['execution', key.executionId],
    ['workflow', workflowId],
    ['step', key.stepId],
    ['trace', detail.traceId],
  ]);
  return Object.entries(templates).flatMap(([label, template]) => {
    const places = [...template.matchAll(/\{(\w+)\}/g)].map(([, place]) => values.get(place!));
    if (places.includes(undefined)) return [];
    const url = template.replace(/\{(\w+)\}/g, (_, place: string) => encode(values.get(place)!));
    return [{ label, url }];
  });
}

/** A lone surrogate has no UTF-8 form. */
function encode(value: string): string {
  return encodeURIComponent(value.replace(/\p{Surrogate}/gu, '\ufffd'));
}
