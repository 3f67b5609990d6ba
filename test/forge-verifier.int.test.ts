import { execFile } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import path from 'node:path';
import { promisify } from 'node:util';
import { createAuditPipeline, createKeyRing, memorySink } from '@spanledger/audit';
import type { KeyRing, MemorySink } from '@spanledger/audit';
import { connectNats, ensureStream, jetStreamSink } from '@spanledger/jetstream';
import { Run } from '@spanledger/otel/internal';
import { parseEvent } from '@spanledger/protocol';
import type { AuditSink, EnvelopeForm } from '@spanledger/protocol';
import { startNats } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import { ForgeVerifier, whyNoForge } from './support/forge-verifier.ts';

const source = process.env['SPANLEDGER_FORGE_SOURCE'];
const missing = whyNoForge(source);
const BUILD_MS = 600_000;

const newKey = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }) as string;

/** A ledger in memory, see `writeTo`. */
async function writeLedger(envelope: EnvelopeForm): Promise<{ keys: KeyRing; sink: MemorySink }> {
  const sink = memorySink();
  return { keys: await writeTo(sink, envelope), sink };
}

/** A ledger with everything in an event that there is, signed with three keys. */
async function writeTo(sink: AuditSink, envelope: EnvelopeForm): Promise<KeyRing> {
  const keys = createKeyRing({ key: newKey(), kid: 'first' });
  const signing = { mode: 'event' as const, keys };
  const pipeline = createAuditPipeline({
    producer: 'svc',
    sink,
    signing,
    envelope,
    agentVersion: '1.2.3',
    orgId: 'org',
    workspaceId: 'ws',
  });
  const workflow = { workflowId: 'wf', executionId: 'ex', stageId: 'st', stepId: 'sp', attempt: 2, caller: 'up' };
  const scope = { run: new Run('carrier', workflow), workflow };
  scope.run.callerVerified = true;
  const span = { traceId: 'a'.repeat(32), spanId: 'b'.repeat(16), parentSpanId: 'c'.repeat(16), sampled: true };
  const ids = { taskId: 't', sessionId: 's', clientRequestId: 'c', requestId: 'r' };
  const call = { model: 'm', provider: 'p', inputTokens: 0, outputTokens: 7, tokensUnavailable: true } as const;
  const values = { n: 1e21, small: 1e-7, minus: -0.5, big: 2 ** 53 - 1, no: false, list: [1, 'two', { three: [] }] };
  const texts = {
    html: '<a href="x">&</a>',
    line: '\u2028\u0001\t"\\/',
    emoji: '\u{1f600}',
    key_é: 'ü',
    'a.b': { 1: 'x' },
  };
  for (let n = 0; n < 30; n += 1) {
    if (n % 10 === 9) keys.rotate({ key: newKey(), kid: `key-${n}` });
    const fields = { ...values, ...texts, n, run_id: 'of the application', producer: 'too' };
    pipeline.emit(scope, { event: 'llm_call', span, durationMs: n, ...ids, ...call, fields });
    pipeline.emit(scope, { event: 'tool_exec' });
  }
  await pipeline.flush();
  await pipeline.shutdown();
  return keys;
}

/** Standard output of the command line, on what is on this server. */
async function spanledger(server: string, ...args: string[]): Promise<string> {
  const bin = path.resolve(import.meta.dirname, '../packages/cli/bin/spanledger.js');
  const { stdout } = await promisify(execFile)(process.execPath, [bin, ...args, '--server', server]);
  return stdout;
}

function byRun(sink: MemorySink): Uint8Array[][] {
  const runs = new Map<string, Uint8Array[]>();
  for (const { bytes } of sink.records) {
    const { run_id: runId } = parseEvent(bytes)!;
    runs.set(runId, [...(runs.get(runId) ?? []), bytes]);
  }
  return [...runs.values()];
}

describe.skipIf(missing !== undefined)(
  `Forge's own verifier${missing === undefined ? '' : ` (not asked: ${missing})`}`,
  () => {
    it(
      'accepts every signed run of the form forge-1.0, and finds a change; of the other form it accepts no signature',
      async () => {
        using forge = new ForgeVerifier(source!);
        const { keys, sink } = await writeLedger('forge-1.0');
        const runs = byRun(sink);
        expect(runs).toHaveLength(2);
        for (const lines of runs) {
          const { length } = lines;
          expect(forge.ask(lines, keys.jwks())).toMatchObject({
            ok: true,
            reason: '',
            events: length,
            signatures: length,
          });
        }
        const [lines = []] = runs;
        const changed = Buffer.from(Buffer.from(lines[4]!).toString().replace('"duration_ms":2', '"duration_ms":3'));
        expect(forge.ask([...lines.slice(0, 4), changed], keys.jwks())).toMatchObject({ ok: false, line: 5 });

        const other = await writeLedger('spanledger');
        for (const run of byRun(other.sink)) {
          expect(forge.ask(run, other.keys.jwks())).toMatchObject({
            ok: false,
            line: 1,
            reason: expect.stringContaining('signature verify'),
          });
          // Its chain verifies, as unsigned chains do in both forms.
          expect(forge.ask(run, { keys: [] })).toMatchObject({ ok: true, links: run.length });
        }
      },
      BUILD_MS,
    );

    it(
      'accepts every run that `spanledger export --run` writes',
      async () => {
        using forge = new ForgeVerifier(source!);
        await using server = await startNats();
        const connection = await connectNats({ servers: server.url });
        await ensureStream(connection);
        const keys = await writeTo(jetStreamSink({ connection }), 'forge-1.0');
        await connection.close();
        const { runs } = JSON.parse(await spanledger(server.url, 'verify', '--runs', '--json')) as {
          runs: { runId: string; events: number }[];
        };
        expect(runs.map(({ events }) => events)).toContain(60);
        for (const { runId, events } of runs) {
          const exported = await spanledger(server.url, 'export', '--run', runId);
          expect(forge.askFile(Buffer.from(exported), keys.jwks())).toMatchObject({
            ok: true,
            reason: '',
            events,
            signatures: events,
          });
        }
        // All runs at once are more than one chain: what the option is for.
        const everything = await spanledger(server.url, 'export');
        expect(forge.askFile(Buffer.from(everything), keys.jwks())).toMatchObject({ ok: false });
      },
      BUILD_MS,
    );
  },
);
