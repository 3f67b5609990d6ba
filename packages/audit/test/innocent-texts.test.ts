import { createHash } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { SecretScrubber } from '../src/redaction/secret-scrubber.ts';

const scrubber = new SecretScrubber();
const digest = (seed: string): Buffer => createHash('sha256').update(seed).digest();
const hexOf = (seed: string, length: number): string => digest(seed).toString('hex').slice(0, length);
const base64Of = (seed: string): string =>
  Array.from({ length: 30 }, (_, i) => digest(`${seed}${i}`).toString('base64').slice(0, 40)).join('');

/** Ids and contents that look random, as they occur in events. */
const RANDOM: Readonly<Record<string, (seed: string) => string>> = {
  UUID: (seed) => hexOf(seed, 32).replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-'),
  'trace id': (seed) => hexOf(seed, 32),
  traceparent: (seed) => `00-${hexOf(seed, 32)}-${hexOf(`${seed}s`, 16)}-01`,
  'SHA-256': (seed) => hexOf(seed, 64),
  'hash of a commit': (seed) => hexOf(seed, 40),
  'digest of an image': (seed) => `registry.test/app@sha256:${hexOf(seed, 64)}`,
  ULID: (seed) =>
    `01${[...digest(seed)]
      .slice(0, 24)
      .map((byte) => '0123456789ABCDEFGHJKMNPQRSTVWXYZ'[byte % 32])
      .join('')}`,
  'id of a completion': (seed) => `chatcmpl-${digest(seed).toString('base64url').replace(/[-_]/g, 'x').slice(0, 29)}`,
  'id of a tool call': (seed) => `call_${digest(seed).toString('base64url').replace(/[-_]/g, 'x').slice(0, 24)}`,
  integrity: (seed) => `sha512-${digest(seed).toString('base64')}`,
  'name of a pod': (seed) => `api-server-${hexOf(seed, 10)}-${hexOf(`${seed}p`, 5)}`,
  ETag: (seed) => `W/"${hexOf(seed, 27)}"`,
  PNG: (seed) => `data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA${base64Of(seed)}`,
  JPEG: (seed) => `/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAAMC${base64Of(seed)}`,
  GIF: (seed) => `R0lGODlhAQABAIAAAAUEBAAAACwAAAAA${base64Of(seed)}`,
  PDF: (seed) => `JVBERi0xLjcKJeLjz9MK${base64Of(seed)}`,
};
const AROUND: Readonly<Record<string, (id: string) => string>> = {
  alone: (id) => id,
  'in a sentence': (id) => `run ${id} has ended.`,
  'in an assignment': (id) => `run_id=${id} state=done`,
  'as a key of a row': (id) => `key: ${id}, partition_key: ${id}`,
  'in JSON': (id) => JSON.stringify({ id, ids: [id], nested: JSON.stringify({ trace_id: id }) }),
  'in a path': (id) => `GET https://api.test:8443/v1/runs/${id}?after=${encodeURIComponent(id)}&limit=20`,
};

const PROSE = [
  'The password was changed yesterday, and the secret of the trick is patience.',
  'Basic authentication, basic TypeScript, basic JavaScript and Basic HttpClient are courses.',
  'The bearer of this letter, a token of appreciation, an access key on the keyboard.',
  'Invalid token ExpiredTokenException, unexpected token ForStatement, unexpected token } in JSON at position 42',
  'Token usage=120, token count=12000 and token expires_in=3600 are told in the answer.',
  'Bearer token is missing or malformed. Bearer authentication required.',
  'Das Passwort wurde gestern geändert, der Schlüssel liegt unter der Matte; Geheimnisse: keine.',
  'Die Sitzung läuft ab: bitte melden Sie sich erneut an – Ihr Konto „Ann“ bleibt erhalten.',
  'Ein Bearer-Token ist nötig, Basic reicht nicht. Donaudampfschifffahrtsgesellschaftskapitän.',
  'eyJ is how a JWT begins; eyJhbGciOi is more of it. eyes.on.the.road, eye-catching, eyJournal',
  'disk-usage, risk-free, task-0123456789-of-the-day-1, sk-cube-grid, ask-me-anything-in-2026',
  'API-Gateway, API-first, key-value, v1.0-rc.1, sl.no, pat.example.org, s.th. else, sc_admin, ext_data',
];
const TECHNICAL = [
  'audit.acme.research.planner.v1',
  'auditTranscript.acme.research.0198c5a0-7b1e-7c3a-9d55-3f1f0a2b4c5d.input',
  '_INBOX.bWqSDzAQdOUTxSX8nAVQfR.1',
  '$JS.API.STREAM.INFO.AUDIT',
  '1.2.3-beta.4+build.20261121',
  '2026-11-21T23:45:00.000Z/P1DT2H',
  'ann.example+tag@mail.example.org',
  'https://user@example.com:8443/a/b?c=d&e=f#g',
  'nats://localhost:4222,nats://[::1]:4223',
  'git@github.com:acme/app.git',
  'postgres://db.internal:5432/orders?sslmode=require',
  '/home/ann/.cache/pnpm/store/v10/files/00/1f5a2b3c4d5e6f708192a3b4c5d6e7f8091a2b3c',
  'arn:aws:iam::123456789012:role/service-role/audit-writer-0f1e2d3c4b5a',
  'anthropic.claude-3-5-sonnet-20241022-v2:0 gpt-4o-2024-08-06 text-embedding-3-large o200k_base',
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36',
  'max_tokens=4096 completion_tokens: 1200 input_tokens=123456 tokens: 3 keys token_type=Bearer token_count: 12',
  'secret_name=orders-db password_policy: strict PASSWORD_FILE=/run/secrets/db token_endpoint=https://id.test/token',
  'PWD=/srv/app OLDPWD=/home/ann HOME=/root SHLVL=1 HOSTNAME=api-7d9f8b6c5d-x2x4z',
  'Set X-Request-Id: 0198c5a0-7b1e-7c3a-9d55-3f1f0a2b4c5d and Idempotency-Key: 0198c5a0-7b1e-7c3a-9d55-3f1f0a2b4c5d',
  '-----BEGIN CERTIFICATE-----\nMIIDdzCCAl+gAwIBAgIEAgAAuTANBgkqhkiG9w0BAQUFADBa\n-----END CERTIFICATE-----',
  '-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----',
  'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ1234567890abcdefghijklmnopqrstuvwxyzAB ann@laptop',
  'SELECT id, token_kind FROM sessions WHERE key = ? AND secret_version > 3',
  'at Object.readToken (/srv/app/node_modules/.pnpm/jose@5.9.6/node_modules/jose/dist/key.js:120:17)',
  'at async Promise.all (index 0)\n    at process.processTicksAndRejections (node:internal/process/task_queues:95:5)',
];
const SOURCE = [
  "const token = await readToken(request.headers['authorization'] ?? '');",
  'export function signature(this: Key, token: Token, apiKey?: ApiKey): Promise<SessionKey>',
  'if (token === undefined || key.length !== 32) throw new TypeError(`no ${name}`);',
  "import { createHmac } from 'node:crypto'; import type { KeyObject } from 'node:crypto';",
  'for (const [key, value] of Object.entries(tokens)) counts.set(key, value);',
  'def authenticate(self, token: str, *, session_key: bytes = b"") -> bool:',
  '<input type="password" name="password" placeholder="…" autocomplete="current-password">',
  'curl -sS -u ann https://api.test/v1/runs | jq .',
];

describe('what is no secret stays as it is', () => {
  it.each(Object.entries(RANDOM))('%s', (_, make) => {
    const texts = Array.from({ length: 100 }, (__, i) => make(String(i))).flatMap((id) =>
      Object.values(AROUND).map((around) => around(id)),
    );
    expect(texts.filter((text) => scrubber.text(text) !== text)).toEqual([]);
  });

  it.each([...PROSE, ...TECHNICAL, ...SOURCE])('%s', (text) => {
    expect(scrubber.text(text)).toBe(text);
    const fields = { note: text, json: JSON.stringify([{ content: text }]) };
    expect(scrubber.fields(fields)).toBe(fields);
  });
});

/** docs/redaction.md: "Redacted on purpose". */
describe('what may be none is redacted on purpose', () => {
  const ID = '0198c5a0-7b1e-7c3a-9d55-3f1f0a2b4c5d';
  it.each([
    ['password: required', 'password: [REDACTED]'],
    ['function login(password: string)', 'function login(password: [REDACTED])'],
    ['{"secret":"none"}', '{"secret":"[REDACTED]"}'],
    [`token: ${ID}`, 'token: [REDACTED]'],
    [`next_page_token=${ID}`, 'next_page_token=[REDACTED]'],
    [`signature: ${hexOf('x', 64)}`, 'signature: [REDACTED]'],
    [`SK${hexOf('x', 32)}`, '[REDACTED]'],
    ['Cookie: theme=dark', 'Cookie: [REDACTED]'],
    ['https://git:git@example.com/a', 'https://git:[REDACTED]@example.com/a'],
  ])('%s', (text, expected) => {
    expect(scrubber.text(text)).toBe(expected);
  });
});
