/** What we read of a log record. The SDKs for logs have it in several packages, so the shape is named here, and none is depended on. */
export interface LogRecordView {
  /** Older instrumentations say it in the attribute `event.name`. */
  readonly eventName?: string | undefined;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly body?: unknown;
}

export function eventNameOf({ eventName, attributes }: LogRecordView): string | undefined {
  const name = eventName ?? attributes['event.name'];
  return typeof name === 'string' ? name : undefined;
}
