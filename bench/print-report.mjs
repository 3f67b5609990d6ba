const SHARE = 100;

/** The result for a person: what was measured, against what, and the target it is held to. */
export function printReport(result) {
  const { publish, emit, span_cpu: span, undesignated, hook, sign, transcript, journal, machine, versions } = result;
  const { bus, bus_soak: soak, loop_delay: loop, drain, memory, verify, read_execution: execution } = result;
  const rows = [
    ['publish', `${publish.ratio}× nats.js js.publish (window ${publish.peer_window}), journaled first`, '≥ 2.5'],
    ['', `${Math.round(publish.per_second)} against ${Math.round(publish.peer_per_second)} acknowledged events/s`, ''],
    ['', `${publish.cpu_us} against ${publish.peer_cpu_us} µs CPU per event`, ''],
    ['', `${publish.ratio_tuned}× the same with noAsyncTraces (${Math.round(publish.peer_tuned_per_second)}/s)`, ''],
    ['', `${Math.round(publish.memory_per_second)}/s and ${publish.memory_cpu_us} µs CPU without the journal`, ''],
    ['', `${Math.round(publish.of_ceiling * SHARE)} % of core NATS publish`, ''],
    ['emit', `${emit.ratio}× nats.js js.publish of JSON (window ${emit.peer_window})`, '≥ 2'],
    ['', `${Math.round(emit.per_second)} against ${Math.round(emit.peer_per_second)} acknowledged events/s`, ''],
    ['', `${emit.cpu_us} against ${emit.peer_cpu_us} µs CPU per event`, ''],
    ['audited span', `${span.ratio}× BatchSpanProcessor and OTLP/HTTP in CPU`, '≤ 2.5'],
    ['', `${span.us} against ${span.peer_us} µs CPU, start to acknowledged`, ''],
    ['undesignated span', `${signed(undesignated.added_us)} µs sampled`, '≤ 1'],
    ['', `${signed(undesignated.unsampled_added_us)} µs not sampled (recorded now)`, '≤ 2'],
    ['span hooks', `p50 ${hook.p50_us} µs, p99 ${hook.p99_us} µs for a designated span`, 'p99 ≤ 50'],
    ['signing', `${signed(sign.checkpoint_added_us)} µs CPU per event, checkpoints signed`, '≤ 1'],
    [
      '',
      `${signed(sign.event_added_us)} µs each event signed, of ${sign.unsigned_us} µs unsigned, with a sink in memory`,
      '',
    ],
    [
      'transcript',
      `${transcript.content_ms_per_million_units} ms CPU in the hook for a million UTF-16 units of content`,
      '',
    ],
    ...[0, 1, 100].map((subscribers) => busRow(subscribers, bus[`subscribers_${subscribers}`])),
    [
      '',
      `${soak.tasks} finished tasks: heap ${signed(soak.heap_growth_mb)} MB, resident ${soak.rss_before_mb} to ${soak.rss_mb} MB`,
      'flat',
    ],
    ['journal', `${journal.ratio}× lmdb in durable 1 kB records/s, 32 in flight`, '≥ 1.5'],
    ['', `${Math.round(journal.per_second)} against ${Math.round(journal.peer_per_second)} records/s`, ''],
    ['', `p99 ${journal.p99_ms} against ${journal.peer_p99_ms} ms`, ''],
    ['', `append of 600 bytes: p50 ${journal.append_p50_us} µs, p99 ${journal.append_p99_us} µs`, ''],
    ['event loop', `delay p99 ${loop.p99_ms} ms in a burst, ${loop.baseline_p99_ms} ms for making JSON alone`, '≤ 20'],
    ['', `p50 ${loop.p50_ms} ms, longest ${loop.max_ms} ms`, ''],
    [
      '',
      `${Math.round(loop.offered_per_second)} events/s offered${loop.counts ? '' : ': TOO FEW, it does not count'}`,
      '',
    ],
    ['outage', `drains at ${drain.ratio}× the rate at which events go on coming`, '≥ 5'],
    [
      '',
      `${Math.round(drain.per_second)}/s from ${drain.backlog} events, ${Math.round(drain.resume_ms)} ms after the server is back`,
      '',
    ],
    [
      '',
      `memory grows by ${memory.outage_rss_growth_mb} MiB resident, ${memory.outage_live_growth_mb} MiB in use, once its bound is reached`,
      'flat',
    ],
    ['verify', `${verify.of_bare_loop}× a bare loop that consumes, parses and hashes`, '≥ 0.8'],
    ['', `${Math.round(verify.per_second)} against ${Math.round(verify.peer_per_second)} events/s`, ''],
    ['', `${Math.round(verify.peak_mb)} MB at most, ${verify.runs} runs`, '≤ 250'],
    ['one execution', `${execution.ratio}× the time out of a large ledger as out of a small one`, '≤ 2'],
    ['', `${execution.ms} against ${execution.small_ms} ms`, ''],
  ];
  for (const [what, figure, target] of rows) console.log(`${what.padEnd(18)} ${figure.padEnd(58)} ${target}`);
  console.log(`\n${machine.cpu}, ${machine.cores} cores, Node ${machine.node}; ${JSON.stringify(versions)}`);
  console.log(`median of ${result.rounds} rounds in ${Math.round(result.elapsed_ms / 1000)} s\nnot measured:`);
  for (const gap of result.not_measured) console.log(`- ${gap}`);
}

/** What is added, or, where the machine was kinder to us than to the peer, taken away. */
function signed(figure) {
  return figure < 0 ? `${figure}` : `+${figure}`;
}

/** Ours copies, filters, counts and defers, and its peers do not: a price, not a race. */
function busRow(
  subscribers,
  { us, of_event_emitter: node, of_cloning: cloning, of_eventemitter3: third, of_rxjs: rxjs },
) {
  const figure = `${us} µs: ${node}× EventEmitter (${cloning}× with a clone), ${third}× eventemitter3, ${rxjs}× RxJS`;
  return [`bus, ${subscribers} listening`, figure, ''];
}
