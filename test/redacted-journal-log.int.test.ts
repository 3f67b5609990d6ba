import { generateKeyPairSync } from 'node:crypto';
import {
  closeSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { diag } from '@opentelemetry/api';
import { createAuditPipeline, createKeyRing, fileSink, memorySink, openJournal } from '@spanledger/audit';
import type { AdoptedJournal, Journal } from '@spanledger/audit';
import { SpanledgerError } from '@spanledger/protocol';
import { afterAll, afterEach, expect, it } from 'vitest';
import { DeliveryQueue } from '../packages/audit/src/delivery/delivery-queue.ts';
import { JournalFeed } from '../packages/audit/src/delivery/journal-feed.ts';
import type { PlantedSecret } from '../packages/audit/test/redaction-support.ts';
import { eventually, gateSink, newScope } from '../packages/audit/test/support.ts';
import { captureLog } from './support/captured-log.ts';
import { type LoggingCalls, failure, fails, namesWithSecrets, said } from './support/planted-log.ts';

const names = namesWithSecrets(5);
const root = mkdtempSync(path.join(tmpdir(), 'redacted-'));

afterEach(() => diag.disable());
afterAll(() => rmSync(root, { recursive: true, force: true }));

/** A folder, with a secret in its name. */
function folderOf({ secret }: PlantedSecret): string {
  const folder = path.join(mkdtempSync(path.join(root, 'of-')), secret);
  mkdirSync(folder);
  return folder;
}

/** A journal that works, but for what is told. */
function journalThat(planted: PlantedSecret, not: Partial<Journal>): Journal {
  const journal = openJournal({ producer: planted.secret, directory: folderOf(planted) });
  return new Proxy(journal, {
    get(target, key) {
      if (Object.hasOwn(not, key)) return not[key as keyof Journal];
      const member: unknown = Reflect.get(target, key);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

/** One event through a pipeline with this journal, up to its end; not before this line, if it is one of work in the background. */
async function emitThrough(journal: Journal, line = ''): Promise<void> {
  const before = lines.length;
  const pipeline = createAuditPipeline({ producer: 'careless', sink: memorySink(), journal });
  pipeline.emit(newScope(), { event: 'payment' });
  await pipeline.flush();
  if (line !== '') await eventually(() => expect(lines.slice(before).join()).toContain(line));
  await pipeline.shutdown();
  await journal.close().catch(() => {});
}

/** The journal of a dead process that is empty, but for what is told. */
function deadJournal(folder: string, not: Partial<AdoptedJournal>): Partial<Journal> {
  const nothing = (): void => {};
  const dead: AdoptedJournal = {
    folder,
    bytes: 1,
    events: 0,
    unacknowledged: 0,
    remainingMs: 0,
    damages: [],
    lost: [],
    isReported: false,
    wasDoubtful: false,
    async *read() {},
    acknowledge: nothing,
    markReported: nothing,
    markDoubtful: nothing,
    close: async () => {},
    closeNow: nothing,
    ...not,
  };
  return { adoptable: async () => [folder], adopt: async () => dead };
}

const newKey = (): string =>
  generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();

/** A ledger whose file cannot be synced, nor closed: somebody else has closed it. */
async function endOfClosedFile(planted: PlantedSecret): Promise<void> {
  const file = path.join(folderOf(planted), 'ledger.ndjson');
  const sink = fileSink(file);
  const bytes = new TextEncoder().encode('{}');
  await sink.writeEvent({ runId: 'r', seq: 1, bytes, hash: '', subject: '' });
  const opened = readdirSync('/proc/self/fd').find((fd) => targetOf(fd) === file);
  closeSync(Number(opened));
  await sink.close();
}

function targetOf(fd: string): string | undefined {
  try {
    return readlinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return undefined; // that of the list itself
  }
}

/** What files are called, and what the file system answers. */
const CALLS: LoggingCalls = {
  'the journal has a problem': async (planted) => {
    const folder = folderOf(planted);
    const journal = openJournal({ producer: planted.secret, directory: folder });
    journal.append({ runId: 'r', seq: 1, bytes: new Uint8Array(10), hash: '', subject: '' });
    // Where its files were there are none.
    renameSync(folder, `${folder}.gone`);
    journal.markDoubtful(true);
    renameSync(`${folder}.gone`, folder);
    await journal.close();
  },
  'the journal refuses events': (planted) => {
    const error = new SpanledgerError('SPANLEDGER_JOURNAL', planted.text, { cause: failure(planted.text) });
    return emitThrough(journalThat(planted, { append: () => ({ status: 'refused', error }) }));
  },
  'the journal could not be closed': (planted) =>
    emitThrough(journalThat(planted, { close: async () => fails(planted)() })),
  'the journal could not be read': async (planted) => {
    const source = { position: 1, read: fails(planted), acknowledge() {}, markDoubtful() {} };
    const feed = new JournalFeed(source, new DeliveryQueue(memorySink(), 1024, () => {}));
    feed.readOn();
    await new Promise(setImmediate);
    feed.close();
  },
  'are left in the journal for the next process of': async (planted) => {
    const journal = journalThat(planted, {});
    const pipeline = createAuditPipeline({ producer: planted.secret, sink: gateSink(), journal });
    pipeline.emit(newScope(), { event: 'payment' });
    await pipeline.shutdown(1);
    await journal.close();
  },
  'journals of dead processes could not be looked for': (planted) =>
    emitThrough(journalThat(planted, { adoptable: async () => fails(planted)() })),
  'of a dead process could not be taken over': (planted) => {
    const not = { adoptable: async () => [folderOf(planted)], adopt: async () => fails(planted)() };
    return emitThrough(journalThat(planted, not), 'could not be taken over');
  },
  'could not be reported': (planted) => {
    const not = deadJournal(folderOf(planted), { markReported: fails(planted) });
    return emitThrough(journalThat(planted, not), 'could not be reported');
  },
  'a journal is damaged': (planted) => {
    const damages = [{ file: folderOf(planted), offset: 0, bytes: 1, kind: 'corrupt' as const }];
    return emitThrough(journalThat(planted, deadJournal(folderOf(planted), { damages })), 'is damaged');
  },
  'can be read by everyone': (planted) => {
    const keyFile = path.join(folderOf(planted), 'key.pem');
    writeFileSync(keyFile, newKey(), { mode: 0o644 });
    createKeyRing({ keyFile }).close();
  },
  'events are signed on with the key there was': async (planted) => {
    const keyFile = path.join(folderOf(planted), 'key.pem');
    writeFileSync(keyFile, newKey(), { mode: 0o600 });
    const keys = createKeyRing({ keyFile, keyFileCheckMs: 10 });
    const before = lines.length;
    rmSync(keyFile);
    await eventually(() => expect(lines.length).toBeGreaterThan(before));
    keys.close();
  },
  'could not be synced': endOfClosedFile,
  'could not be closed': endOfClosedFile,
};

let lines: string[] = [];

it.each(Object.entries(CALLS))('"%s…" is in our log without secrets', async (line, call) => {
  lines = captureLog();
  for (const planted of names) await call(planted);
  await eventually(() => expect(said(lines, line, names)).toEqual({ redacted: names.length, leaked: [] }));
});
