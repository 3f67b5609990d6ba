import { createHash } from 'node:crypto';
import { RunRecord } from './run-record.mjs';

/** Events of the kind that producers are asked for. */
const DESIGNATED = 'work';
const TERMINAL = new Set(['workflow_complete', 'workflow_failed', 'workflow_cancelled']);

/** Everything that is kept of a ledger while it is read, by the wire contract alone. */
export class LedgerRecordBook {
  /** @type {Map<string, RunRecord>} */
  runs = new Map();
  messages = 0;
  /** `audit_loss`, `audit_checkpoint`, `run_abandoned`: small, and few. */
  losses = [];
  checkpoints = [];
  abandoned = [];
  exportStatuses = 0;

  add({ bytes, streamSeq: place, storedAtMs = 0, duplicateWindowMs = 0 }) {
    this.messages += 1;
    const event = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('utf8'));
    const hash = createHash('sha256').update(bytes).digest('hex');
    const run = this.#run(event);
    const isDesignated = event.event === DESIGNATED;
    const { p, r, n } = event.fields ?? {};
    const payload = isDesignated ? n : 0;
    const isNew = run.add({
      seq: event.seq,
      hash,
      link: event.prev_hash,
      place,
      payload,
      storedAtMs,
      duplicateWindowMs,
    });
    if (!isNew) return;
    if (isDesignated) run.payloadRun ??= `${p}:${r}`;
    else if (TERMINAL.has(event.event)) run.ended = true;
    else this.#note(event, place);
  }

  #run({ run_id: runId, producer }) {
    let run = this.runs.get(runId);
    if (run === undefined) this.runs.set(runId, (run = new RunRecord(producer)));
    return run;
  }

  #note({ event, fields, run_id: runId }, place) {
    if (event === 'audit_loss') this.losses.push(fields);
    else if (event === 'audit_checkpoint') this.checkpoints.push({ ...fields, runId, place });
    else if (event === 'run_abandoned') this.abandoned.push(fields);
    else if (event === 'audit_export_status') this.exportStatuses += 1;
  }
}
