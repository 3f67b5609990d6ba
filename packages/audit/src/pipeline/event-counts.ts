/** What has become of events since the process started. */
export interface EventCounts {
  /** The sink keeps it. */
  stored: number;
  /** The sink, or a pipeline that is shut down, will not take it. */
  refused: number;
  /** The sink gave up on it and it is in no journal, or it could not be sealed. */
  failed: number;
  /** There was no room for it. */
  shed: number;
  /** It could not be signed. */
  unsigned: number;
}
