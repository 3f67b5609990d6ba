// Sound ledgers, as processes write them: many runs at once, checkpoints, losses, restarts, retries, second deliveries.
import { createChain, encodeSubject, seal } from '@spanledger/protocol';
import { sha256 } from './keys.mjs';
import { below, pick } from './random.mjs';

const EVENTS = ['llm_call', 'tool_exec', 'guardrail_check', 'egress_allowed', 'mcp_tool_call'];
const EPOCH_MS = Date.UTC(2026, 0, 1);
let lastRun = 0;

/** Like a UUIDv7, in the order of their making. */
function newRunId() {
  lastRun += 1;
  return `01a20000-0000-7000-8000-${lastRun.toString(16).padStart(12, '0')}`;
}

/** A process of one producer: its instance run, and what it names in checkpoints. */
class ModelProcess {
  constructor(ledger, producer, { signer, predecessor } = {}) {
    this.ledger = ledger;
    this.producer = producer;
    this.signer = signer;
    this.predecessor = predecessor;
    this.heads = new Map();
    this.instance = this.newRun({});
  }

  newRun(identity) {
    return new ModelRun(this, identity);
  }

  /** Everything that it has stored since the last one. */
  checkpoint(more = {}) {
    const runs = [...this.heads.values()].map(({ runId, seq, hash }) => ({
      run_id: runId,
      last_seq: seq,
      head_hash: hash,
    }));
    this.heads.clear();
    this.instance.emit('audit_checkpoint', { ...(runs.length > 0 && { runs }), ...more });
  }

  /** It ends in order. */
  end() {
    this.checkpoint();
    this.checkpoint({ final: true });
  }
}

class ModelRun {
  constructor(process, identity) {
    this.process = process;
    this.identity = identity;
    this.chain = createChain(newRunId());
    this.subject = encodeSubject({
      workflowId: identity.workflow_id,
      executionId: identity.workflow_execution_id,
      producer: process.producer,
    });
  }

  seal(event, fields = {}) {
    const { process, chain } = this;
    const isFirst = this === process.instance && chain.seq === 0 && process.predecessor !== undefined;
    const all = { ...fields, ...(isFirst && { predecessor: process.predecessor }) };
    const draft = {
      ts: process.ledger.nextTs(),
      event,
      producer: process.producer,
      ...this.identity,
      ...(Object.keys(all).length > 0 && { fields: all }),
    };
    const signs = process.signer !== undefined && (process.ledger.signs === 'event' || event === 'audit_checkpoint');
    return seal(chain, draft, this.subject, sha256, signs ? { signer: process.signer } : {});
  }

  /** Seals it, and it is stored. */
  emit(event, fields) {
    const sealed = this.seal(event, fields);
    this.process.heads.set(sealed.runId, sealed);
    this.process.ledger.store(sealed);
    return sealed;
  }
}

class ModelLedger {
  /** @param {'event' | 'checkpoint' | undefined} signs */
  constructor(signs) {
    this.signs = signs;
    this.records = [];
    this.micros = 0;
  }

  nextTs() {
    this.micros += 1;
    const micros = String(this.micros % 1_000_000).padStart(6, '0');
    return `${new Date(EPOCH_MS + Math.floor(this.micros / 1_000_000) * 1_000).toISOString().slice(0, 19)}.${micros}Z`;
  }

  store({ bytes, subject, runId, seq, hash }) {
    // The sealer's memory is shared with later events: a ledger has its own.
    this.records.push({ bytes: Uint8Array.from(bytes), subject, runId, seq, hash });
  }
}

/** A small ledger of a workflow with two agents: what is tampered with. Every run but the instance runs is named in a checkpoint, whole. */
export function smallLedger(random, signer, signs = 'event') {
  const ledger = new ModelLedger(signs);
  const processes = ['orchestrator', 'planner', 'writer'].map(
    (producer) => new ModelProcess(ledger, producer, { signer }),
  );
  const runs = [];
  for (const [index, process] of processes.entries()) {
    const identity = { workflow_id: 'deploy', workflow_execution_id: `execution-${index}`, step_id: `step-${index}` };
    runs.push({ run: process.newRun(identity), left: 3 + below(random, 6) });
  }
  while (runs.some(({ left }) => left > 0)) {
    const open = runs.filter(({ left }) => left > 0);
    const one = pick(random, open);
    one.left -= 1;
    const isFirst = one.run.chain.seq === 0;
    const event = isFirst ? 'invocation_started' : one.left === 0 ? 'invocation_complete' : pick(random, EVENTS);
    one.run.emit(event, { index: one.left, note: 'as it was' });
  }
  for (const process of processes) process.end();
  return ledger.records;
}

/**
 * A large clean one, of `count` events: replicas, restarts (in order, and by a crash that the next process tells of), retries of steps,
 * losses that are reported, second deliveries, and records that overtake each other.
 *
 * @yields {{ bytes: Uint8Array, subject: string, streamSeq: number }}
 */
export function* cleanLedger(random, { count, signer, signs }) {
  const ledger = new ModelLedger(signs);
  const start = (producer, predecessor) => new ModelProcess(ledger, producer, { signer, predecessor });
  const processes = Array.from({ length: 8 }, (_, i) => start(`agent-${i % 3}`));
  const open = [];
  let streamSeq = 0;
  let executions = 0;
  while (streamSeq < count) {
    act(random, { ledger, processes, open, start, nextExecution: () => (executions += 1) });
    while (ledger.records.length > 64) yield* deliver(random, ledger.records, () => (streamSeq += 1));
  }
  for (const { run } of open.splice(0)) run.emit('invocation_complete');
  for (const process of processes) process.end();
  while (ledger.records.length > 0) yield* deliver(random, ledger.records, () => (streamSeq += 1));
}

/** One thing that happens. */
function act(random, { ledger, processes, open, start, nextExecution }) {
  const dice = random();
  if (open.length < 20 || dice < 0.1) open.push(call(random, processes, nextExecution()));
  else if (dice < 0.93) goOn(random, open);
  else if (dice < 0.97) pick(random, processes).checkpoint();
  else if (dice < 0.98) lose(pick(random, open).run);
  else restart(random, { ledger, processes, open, start, crashes: dice < 0.99 });
}

function call(random, processes, execution) {
  const attempt = 1 + below(random, 3);
  const identity = {
    workflow_id: `workflow-${execution % 5}`,
    workflow_execution_id: `execution-${execution >> 2}`,
    step_id: `step-${execution % 2}`,
    attempt_epoch: attempt,
    invocation_caller: 'orchestrator',
  };
  const run = pick(random, processes).newRun(identity);
  run.emit('invocation_started');
  return { run, left: below(random, 12) };
}

function goOn(random, open) {
  const one = pick(random, open);
  one.left -= 1;
  if (one.left >= 0) return void one.run.emit(pick(random, EVENTS), { note: 'x'.repeat(below(random, 60)) });
  one.run.emit(random() < 0.9 ? 'invocation_complete' : 'invocation_cancelled');
  if (random() < 0.05) one.run.emit('tool_exec');
  open.splice(open.indexOf(one), 1);
}

/** An event gets a number and is not stored; its producer says so. */
function lose(run) {
  const lost = run.seal('tool_exec');
  const { prev_hash: prevHash } = JSON.parse(Buffer.from(lost.bytes).toString());
  run.process.instance.emit('audit_loss', {
    run_id: lost.runId,
    first_seq: lost.seq,
    last_seq: lost.seq,
    prev_hash: prevHash,
    last_hash: lost.hash,
    reason: 'queue_full',
    count: 1,
  });
}

/** In order; or killed, and then the next one names what it left open. */
function restart(random, { processes, open, start, crashes }) {
  const index = below(random, processes.length);
  const before = processes[index];
  const own = open.filter(({ run }) => run.process === before);
  for (const one of own) open.splice(open.indexOf(one), 1);
  if (!crashes) {
    for (const { run } of own) run.emit('invocation_complete');
    before.end();
  }
  const { chain } = before.instance;
  const predecessor = chain.seq === 0 ? undefined : { run_id: chain.runId, last_seq: chain.seq, head_hash: chain.head };
  const after = start(before.producer, predecessor);
  processes[index] = after;
  after.instance.emit('session_start');
  if (!crashes) return;
  for (const run of [before.instance, ...own.map((one) => one.run)]) {
    if (run.chain.seq === 0) continue;
    const report = after.newRun(run.identity);
    report.emit('run_abandoned', { run_id: run.chain.runId, last_seq: run.chain.seq, head_hash: run.chain.head });
  }
}

/** The next record, or one of the next few; now and then a second time. */
function* deliver(random, records, nextSeq) {
  const index = random() < 0.9 ? 0 : below(random, Math.min(records.length, 20));
  const [{ bytes, subject }] = records.splice(index, 1);
  yield { bytes, subject, streamSeq: nextSeq() };
  if (random() < 0.02) yield { bytes, subject, streamSeq: nextSeq() };
}
