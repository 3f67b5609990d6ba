import { execFileSync, spawnSync } from 'node:child_process';
import { createHash, createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { assertLedger, assertValidEvents } from '@spanledger/testkit';
import { describe, expect, it } from 'vitest';
import {
  GENESIS_HASH,
  canonicalBytes,
  checkChain,
  createChain,
  decodeSubject,
  encodeSubject,
  eventId,
  formatTimestamp,
  isEventName,
  messageId,
  parseAttempt,
  parseEvent,
  parseId,
  readJwks,
  seal,
  signedBytes,
} from '../src/index.ts';
import type { AuditEventDraft, ChainCheck, EnvelopeForm, EventSigner, Jwk } from '../src/index.ts';
import { verifies } from './ed25519.ts';

interface Parts {
  readonly workflow_id?: string;
  readonly workflow_execution_id?: string;
  readonly producer: string;
}

/** The file that other languages read too. */
interface Golden {
  readonly ids: readonly { readonly raw: unknown; readonly id: string | null }[];
  readonly attempts: readonly { readonly raw: unknown; readonly attempt: number | null }[];
  readonly subjects: readonly { readonly parts: Parts; readonly subject: string }[];
  readonly not_subjects: readonly string[];
  readonly event_names: readonly string[];
  readonly not_event_names: readonly string[];
  readonly timestamps: readonly { readonly seconds: number; readonly nanos: number; readonly text: string }[];
  readonly seal: { readonly run_id: string; readonly genesis: string; readonly events: readonly Sealed[] };
  readonly signed: {
    readonly jwk: Jwk & { readonly d: string };
    readonly run_id: string;
    readonly events: readonly SignedCase[];
  };
  readonly chains: readonly {
    readonly what: string;
    readonly events: readonly string[];
    readonly verdict: ChainCheck;
  }[];
  readonly conflicts: readonly {
    readonly contents: readonly { readonly text: string; readonly message_id: string }[];
  }[];
  readonly canonical: readonly { readonly value: object; readonly text: string }[];
}

interface Sealed {
  readonly draft: AuditEventDraft;
  readonly text: string;
  readonly sha256: string;
  readonly event_id: string;
  readonly message_id: string;
}

interface SignedCase {
  readonly envelope: EnvelopeForm;
  readonly draft: AuditEventDraft;
  readonly text: string;
  readonly covered: string;
  readonly sha256: string;
}

const golden = JSON.parse(readFileSync(vector('golden.json'), 'utf8')) as Golden;
const encode = (text: string): Uint8Array => new TextEncoder().encode(text);
const decode = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function vector(name: string): string {
  return fileURLToPath(new URL(`../vectors/${name}`, import.meta.url));
}

describe('golden vectors', () => {
  it.each(golden.ids)('id $raw', ({ raw, id }) => {
    expect(parseId(raw)).toBe(id ?? undefined);
  });

  it.each(golden.attempts)('attempt $raw', ({ raw, attempt }) => {
    expect(parseAttempt(raw)).toBe(attempt ?? undefined);
  });

  it.each(golden.subjects)('subject $subject', ({ parts, subject }) => {
    const { workflow_id: workflowId, workflow_execution_id: executionId, producer } = parts;
    expect(encodeSubject({ workflowId, executionId, producer })).toBe(subject);
    expect(decodeSubject(subject)).toEqual({
      ...(workflowId && { workflowId }),
      ...(executionId && { executionId }),
      producer,
    });
  });

  it.each(golden.not_subjects)('not a subject: %j', (subject) => {
    expect(decodeSubject(subject)).toBeUndefined();
  });

  it('event names', () => {
    expect(golden.event_names.filter((name) => !isEventName(name))).toEqual([]);
    expect(golden.not_event_names.filter((name) => isEventName(name))).toEqual([]);
  });

  it.each(golden.timestamps)('time $text', ({ seconds, nanos, text }) => {
    expect(formatTimestamp([seconds, nanos])).toBe(text);
  });

  it('a sealed run, byte for byte', () => {
    const chain = createChain(golden.seal.run_id);
    expect(chain.head).toBe(golden.seal.genesis);
    const sealed = golden.seal.events.map(({ draft }) => seal(chain, draft, 'auditEvent', sha256));
    expect(
      sealed.map((event) => ({
        text: decode(event.bytes),
        sha256: event.hash,
        event_id: eventId(event),
        message_id: messageId(event),
      })),
    ).toEqual(
      golden.seal.events.map(({ text, sha256: hash, event_id, message_id }) => ({
        text,
        sha256: hash,
        event_id,
        message_id,
      })),
    );
    assertValidEvents(sealed);
    expect(assertLedger(sealed)).toHaveLength(1);
  });

  it('signed runs in both forms, byte for byte', () => {
    const { jwk, run_id: runId, events } = golden.signed;
    const key = createPrivateKey({ key: { ...jwk }, format: 'jwk' });
    const signer: EventSigner = { kid: jwk.kid, sign: (bytes) => sign(null, bytes, key) };
    const { d: _, ...publicKey } = jwk;
    for (const form of ['spanledger', 'forge-1.0']) {
      const chain = createChain(runId);
      for (const { envelope, draft, text, covered, sha256: hash } of events.filter((one) => one.envelope === form)) {
        const event = seal(chain, draft, 'auditEvent', sha256, { signer, envelope });
        expect([decode(event.bytes), event.hash]).toEqual([text, hash]);
        expect(decode(signedBytes(parseEvent(event.bytes)!)!)).toBe(covered);
        expect(verifies(parseEvent(event.bytes)!, readJwks({ keys: [publicKey] }))).toBe(true);
      }
      expect(chain.seq).toBe(2);
    }
  });

  it.each(golden.chains)('chain: $what', ({ events, verdict }) => {
    expect(checkChain(events.map(encode), sha256)).toEqual(verdict);
  });

  it('a conflict: one event id, two message ids', () => {
    for (const { contents } of golden.conflicts) {
      for (const { text, message_id } of contents) {
        const bytes = encode(text);
        const event = parseEvent(bytes)!;
        const sealed = { runId: event.run_id, seq: event.seq, bytes, hash: sha256(bytes), subject: 'auditEvent' };
        expect(messageId(sealed)).toBe(message_id);
      }
      expect(new Set(contents.map(({ message_id }) => message_id)).size).toBe(contents.length);
    }
  });

  it.each(golden.canonical)('canonical $text', ({ value, text }) => {
    expect(decode(canonicalBytes(value))).toBe(text);
  });

  it('is genesis what it says', () => {
    expect(GENESIS_HASH).toMatch(/^0{64}$/);
  });
});

const python = spawnSync('python3', ['-c', 'import sys; sys.exit(sys.version_info < (3, 9))']).status === 0;

describe.skipIf(!python)('golden vectors in another language', () => {
  it("Python's standard library agrees with every line", () => {
    const output = execFileSync('python3', ['-B', vector('check_vectors.py')], { encoding: 'utf8' });
    expect(output).toMatch(/^[1-9]\d{2,} vectors checked, 0 wrong\n$/);
  });
});
