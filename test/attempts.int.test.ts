import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { AuditEvent } from '@spanledger/protocol';
import { startNats } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import { App } from './support/app.ts';
import { readLedger, storedEvents } from './support/ledger.ts';
import { waitFor } from './support/wait-for.ts';

const ORCHESTRATOR = 'stepping-orchestrator.mjs';
const idOf = ({ run_id, seq }: AuditEvent): string => `${run_id}:${seq}`;

function orchestrator(servers: string, env: Record<string, string>, journal?: string): App {
  const settings = { OTEL_SERVICE_NAME: 'orchestrator', SPANLEDGER_NATS_URL: servers, SPANLEDGER_ATTEMPTS: 'kv' };
  return new App(ORCHESTRATOR, { env: { ...settings, ...env }, ...(journal !== undefined && { journal }) });
}

/** The starts of the step, by attempt, and the markers, each of which must be right before its start. */
function attemptsOf(events: readonly AuditEvent[]): { starts: Map<number, AuditEvent>; markers: AuditEvent[] } {
  const byId = new Map(events.map((event) => [idOf(event), event]));
  const starts = events.filter(({ event }) => event === 'workflow_step_started');
  const markers = events.filter(({ event }) => event === 'stream_rewind');
  for (const marker of markers) {
    const { run_id, seq, step_id, attempt_epoch } = marker;
    const next = byId.get(`${run_id}:${seq + 1}`);
    expect(next).toMatchObject({ event: 'workflow_step_started', step_id, attempt_epoch });
    expect(marker.fields).toMatchObject({ step: step_id, new_epoch: attempt_epoch });
  }
  return { starts: new Map(starts.map((start) => [start.attempt_epoch ?? 0, start])), markers };
}

describe.each(['2.9', undefined])('on nats-server %s', (version) => {
  const options = version === undefined ? {} : { version };

  it('gives processes that race for a step different attempts, each with one marker', async () => {
    await using nats = await startNats(options);
    const folder = await mkdtemp(path.join(tmpdir(), 'spanledger-attempts-'));
    const [processes, steps] = [5, 8];
    const apps = Array.from({ length: processes }, () =>
      orchestrator(nats.url, { EXECUTION_ID: 'exec-race', STEPS: String(steps), WAITS_FOR: path.join(folder, 'go') }),
    );
    try {
      const waiting = () => apps.every(({ stdout }) => stdout.includes('waiting')) || undefined;
      await waitFor(() => `${processes} orchestrators: ${apps.map(({ stderr }) => stderr).join('')}`, waiting);
      await writeFile(path.join(folder, 'go'), '');
      const ends = await Promise.all(apps.map((app) => app.ended()));
      expect({ ends, stderr: apps.map(({ stderr }) => stderr) }).toEqual({
        ends: ends.map(() => 0),
        stderr: apps.map(() => ''),
      });
    } finally {
      await Promise.all(apps.map((app) => app[Symbol.asyncDispose]()));
      await rm(folder, { recursive: true, force: true });
    }
    const { events } = await readLedger(nats.url);
    const { starts, markers } = attemptsOf(events);
    const epochs = [...starts.keys()].sort((one, other) => one - other);
    expect(epochs).toEqual(Array.from({ length: processes * steps }, (_, n) => n + 1));
    const announced = markers.map(({ attempt_epoch }) => attempt_epoch).sort((one, other) => one! - other!);
    expect(announced).toEqual(epochs.slice(1));
    for (const { fields, attempt_epoch } of markers) {
      const superseded = fields?.['superseded_after_event_id'];
      if (superseded !== undefined) expect(superseded).toBe(idOf(starts.get(attempt_epoch! - 1)!));
    }
  });

  it('goes on where a killed orchestrator was: the next attempt, and one marker that names the start of its last one', async () => {
    await using nats = await startNats(options);
    const journal = await mkdtemp(path.join(tmpdir(), 'spanledger-attempts-'));
    const env = { EXECUTION_ID: 'exec-resumed' };
    await using first = orchestrator(nats.url, { ...env, LIFE: 'first' }, journal);
    const connection = await connect({ servers: nats.url });
    const startedEventId = await waitFor(
      () => `the start to be noted: ${first.stdout}${first.stderr}`,
      async () => {
        const kv = await new Kvm(connection).open('WORKFLOW_ATTEMPTS').catch(() => undefined);
        const entry = await kv?.get('exec-resumed.shared').catch(() => undefined);
        return entry?.json<{ started_event_id?: string }>().started_event_id;
      },
    );
    await connection.close();
    await waitFor(
      () => 'the step to be entered',
      () => first.stdout.includes('in attempt 1') || undefined,
    );
    // By another connection than the note: what the journal alone has, the next process publishes in its own time.
    await storedEvents(nats.url, 'workflow_step_started', 1);
    first.child.kill('SIGKILL');
    expect(await first.ended()).toBeNull();

    await using second = orchestrator(nats.url, env, journal);
    expect(await second.ended()).toBe(0);
    expect(second.stdout).toBe('in attempt 2\n');
    const killed = startedEventId.split(':', 1);
    const { events, report } = await readLedger(nats.url, killed);
    expect(report.findings).toEqual([]);
    const { starts, markers } = attemptsOf(events);
    expect([...starts.keys()].sort()).toEqual([1, 2]);
    expect(idOf(starts.get(1)!)).toBe(startedEventId);
    expect(markers.map(({ fields }) => fields)).toEqual([
      { step: 'shared', superseded_after_event_id: startedEventId, new_epoch: 2 },
    ]);
    await rm(journal, { recursive: true, force: true });
  });
});

it('begins no step while the bucket cannot be reached, or counts alone if it is told to, and ends', async () => {
  const nats = await startNats();
  const { url } = nats;
  await nats.close();
  await using strict = orchestrator(url, { EXECUTION_ID: 'exec-away' });
  await using lenient = orchestrator(url, {
    EXECUTION_ID: 'exec-away',
    STEPS: '3',
    SPANLEDGER_ATTEMPTS: 'kv-or-memory',
  });
  expect(await strict.ended()).toBe(1);
  expect(strict.stderr).toContain("code: 'SPANLEDGER_ATTEMPTS'");
  expect(strict.stdout).toBe('');
  expect(await lenient.ended()).toBe(0);
  expect(lenient.stdout).toBe('in attempt 1\nin attempt 2\nin attempt 3\n');
  expect(lenient.stderr.match(/attempts are counted in this process alone/g)).toHaveLength(1);
});
