/** What a step, or a workflow, is doing. `superseded`: the attempt around it was abandoned, and the new one has not entered it. */
export type NotificationStatus = 'running' | 'completed' | 'failed' | 'cancelled' | 'superseded';

export interface NotificationLink {
  readonly label: string;
  /** `http:` or `https:`. */
  readonly url: string;
}

/**
 * What is to be said of one step, or of one workflow: data, and one line of text made of it. Texts hold no control characters, are at
 * most 161 units long each (`title`: 700), and may hold what is markup in your channel.
 */
export interface Notification {
  /** Stays the same for as long as it is about the same step of the same execution. Visible ASCII. */
  readonly id: string;
  readonly executionId: string;
  readonly workflowId?: string;
  /** Absent where it is about the workflow itself. */
  readonly stepId?: string;
  readonly status: NotificationStatus;
  /** Of a step, from 1. All attempts below are superseded. */
  readonly attempt?: number;
  readonly producer?: string;
  readonly durationMs?: number;
  readonly errorType?: string;
  /** 32 hex. */
  readonly traceId?: string;
  readonly links: readonly NotificationLink[];
  /** `plan: attempt 2 running; attempt 1 superseded` */
  readonly title: string;
  /**
   * Only from a channel that cannot edit: this message corrects an earlier one, whose attempt this was. What was said of it, and of all
   * attempts below, no longer holds.
   */
  readonly correctsAttempt?: number;
}
