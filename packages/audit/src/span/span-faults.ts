import { log } from '../diagnostics.ts';

/** What can go wrong on the way from a span to its event. */
const MESSAGES = {
  start_hook: 'a span that started was not looked at',
  end_hook: 'a span that ended was not looked at, or not to the end',
  rule: 'a designation rule threw, and was taken not to match',
  log_record: 'a log record was not looked at for GenAI content',
  content: 'the fields of an event could not be read; the event has none',
  export_callback: 'the callback of an export threw',
  event_name: "forge.audit.event is not a snake_case name, or one of the ledger's own, and was ignored",
} as const;

export type FaultKind = keyof typeof MESSAGES;

/** I5: what must not be thrown is counted, and told once per kind, because it would be told for every span. */
export class SpanFaults {
  readonly counts: Record<FaultKind, number> = {
    start_hook: 0,
    end_hook: 0,
    rule: 0,
    log_record: 0,
    content: 0,
    export_callback: 0,
    event_name: 0,
  };

  report(kind: FaultKind, cause: unknown): void {
    this.counts[kind] += 1;
    if (this.counts[kind] === 1) log.error(`${MESSAGES[kind]} (reported once):`, cause);
  }
}
