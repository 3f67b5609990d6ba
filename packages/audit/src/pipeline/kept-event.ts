import type { SealedEvent } from '@spanledger/protocol';

/** An event that was sealed and is not lost. */
export interface KeptEvent {
  readonly event: SealedEvent;
  readonly id: string;
  /** In the journal; 0 if it is in memory only. */
  readonly position: number;
}
