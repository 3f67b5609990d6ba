import { describe, expect, it } from 'vitest';
import { mayHoldSecret } from '../../otel/src/redaction/may-hold-secret.ts';
import { SecretScrubber } from '../src/redaction/secret-scrubber.ts';
import { toFields } from '../src/json-value.ts';
import { SHAPE_COUNT, plantedSecrets } from './redaction-support.ts';

const scrubber = new SecretScrubber();
const secrets = plantedSecrets(SHAPE_COUNT * 4);

describe('a secret', () => {
  it.each(plantedSecrets(SHAPE_COUNT))('of the shape $shape is found', ({ text, secret }) => {
    expect(mayHoldSecret(text)).toBe(true);
    const scrubbed = scrubber.text(text);
    expect(scrubbed).not.toContain(secret);
    expect(scrubbed).toContain('[REDACTED]');
    expect(scrubber.text(scrubbed)).toBe(scrubbed);
  });

  it.each(plantedSecrets(SHAPE_COUNT))(
    'of the shape $shape that is cut off leaves nothing behind',
    ({ text, secret }) => {
      const at = text.indexOf(secret);
      for (const kept of [secret.length - 1, secret.length >> 1]) {
        const limits = { stringMax: at + kept, itemsMax: 64, depthMax: 6, totalMax: 16_384 };
        const fields = scrubber.fields(toFields({ note: text }, limits)!);
        expect(fields['note']).not.toContain(secret.slice(0, kept).slice(-16));
        expect(fields['note']).toMatch(/…\[truncated:\d+\]$/);
      }
    },
  );

  it.each(plantedSecrets(SHAPE_COUNT))('of the shape $shape is found in JSON in JSON', ({ text, secret }) => {
    const nested = JSON.stringify({ messages: JSON.stringify([{ content: text }]) });
    expect(scrubber.text(nested)).not.toContain(secret);
  });

  it('is found at any depth, in keys, and many to a text', () => {
    const all = secrets.map(({ text }) => text).join('\n');
    const fields = scrubber.fields({ a: [{ b: [all] }], [secrets[0]!.secret]: 'x' });
    for (const { secret } of secrets) expect(JSON.stringify(fields)).not.toContain(secret);
  });

  it('in several names of one object costs none of their values', () => {
    const names = secrets.slice(0, 3).map(({ secret }) => secret);
    const fields = scrubber.fields(Object.fromEntries(names.map((name, i) => [name, i])));
    expect(fields).toEqual({ '[REDACTED]': 0, '[REDACTED] 2': 1, '[REDACTED] 3': 2 });
  });

  it.each([
    ['mysql --password hunter2 --host db', 'mysql --password [REDACTED] --host db'],
    ["deploy --token 'ab c' --verbose", "deploy --token '[REDACTED]' --verbose"],
    ['login --db-password "x y" now', 'login --db-password "[REDACTED]" now'],
    ['run --api-key k1 --region eu', 'run --api-key [REDACTED] --region eu'],
    ['run --token=k1 --region eu', 'run --token=[REDACTED] --region eu'],
    ['<password>hunter2</password>', '<password>[REDACTED]</password>'],
    ['<wsse:Password Type="text">a b</wsse:Password>', '<wsse:Password Type="text">[REDACTED]</wsse:Password>'],
    ['<client_secret>x</client_secret>', '<client_secret>[REDACTED]</client_secret>'],
    ['X-Api-Key: short', 'X-Api-Key: [REDACTED]'],
    ['"x-api-key": "k1", "a": 1', '"x-api-key": "[REDACTED]", "a": 1'],
    ['curl -u ann:pw https://api', 'curl -u ann:[REDACTED] https://api'],
    ['curl --user ann:pw https://api', 'curl --user ann:[REDACTED] https://api'],
  ])('is told by what is before it: %s', (text, expected) => {
    expect(scrubber.text(text)).toBe(expected);
    expect(scrubber.text(expected)).toBe(expected);
  });

  it.each(['pass', 'smtp_pass', 'db.pass', 'passcode', 'otp', 'otp_code', 'one_time_passcode', 'x-api-key'])(
    'is a field of the name %s',
    (name) => {
      expect(scrubber.fields({ [name]: '1234' })).toEqual({ [name]: '[REDACTED]' });
    },
  );

  it('is a field of its name, whatever its value', () => {
    expect(
      scrubber.fields({
        password: 'hunter2',
        user_api_key: ['a', 'b'],
        'http.request.header.cookie': 'a=b',
        accessToken: 7,
      }),
    ).toEqual({
      password: '[REDACTED]',
      user_api_key: '[REDACTED]',
      'http.request.header.cookie': '[REDACTED]',
      accessToken: '[REDACTED]',
    });
  });

  it.each([
    'passwords',
    'password_confirmation',
    'passwordHash',
    'password2',
    'secrets',
    'secret_value',
    'cookies',
    'api_keys',
    'private_key_pem',
  ])('is a field of a name that says the same: %s', (name) => {
    expect(scrubber.fields({ [name]: ['hunter2'] })).toEqual({ [name]: '[REDACTED]' });
  });

  it('can be joined by who has the key', () => {
    const keyed = new SecretScrubber(Buffer.from('0123456789abcdef'));
    const other = new SecretScrubber(Buffer.from('fedcba9876543210'));
    const { secret } = secrets[0]!;
    const mark = keyed.text(secret);
    expect(mark).toMatch(/^\[REDACTED:[0-9a-f]{16}\]$/);
    expect(keyed.text(`again ${secret} here`)).toBe(`again ${mark} here`);
    expect(keyed.text(`password=${secret}`)).toBe(`password=${mark}`);
    expect(other.text(secret)).not.toBe(mark);
  });
});

describe('what is no secret', () => {
  it.each([
    'Basic authentication is required',
    'Basic Authentication failed',
    'the bearer of this letter',
    'https://user@example.com:8443/a?b=c',
    'http://[::1]:3000/tokens/12',
    'token: expired',
    'risk-assessment-of-the-whole-department',
    'disk-usage-of-cluster-12-in-region-7',
    '0198c5a0-7b1e-7c3a-9d55-3f1f0a2b4c5d',
    'a'.repeat(64),
    '4bf92f3577b34da6a3ce929d0e0e4736',
    'gpt-4o-2024-08-06 used 1200 tokens: 3 keys',
    'chatcmpl-9x8y7z6w5v4u3t2s1r',
    'SELECT id FROM sessions WHERE key = ?',
    'run with --token-limit 100 and --secret-name db',
    'git --password-stdin --token',
    'mkdir -u 10:30',
    'the <password> field is empty: <password></password>',
    'x --keyboard us --user ann',
  ])('stays: %s', (text) => {
    expect(scrubber.text(text)).toBe(text);
  });

  it('stays, and is not even copied', () => {
    const about = {
      bypass: 'x',
      compass: 'n',
      hotp: 'x',
      laptop: 'y',
      pass_rate: 1,
      secret_name: 'db',
      password_policy: 'strict',
      password_length: 12,
      api_key_id: 'k1',
    };
    const fields = {
      ...about,
      input_tokens: 12,
      token_kind: 'jwt',
      secret: false,
      tags: ['a', { route: '/keys/:id' }],
    };
    expect(scrubber.fields(fields)).toBe(fields);
  });
});
