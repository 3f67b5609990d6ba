import { randomBytes } from 'node:crypto';

/** A secret as it occurs in a text, and the part that nobody may find again. */
export interface PlantedSecret {
  readonly shape: string;
  readonly text: string;
  readonly secret: string;
}

const ALPHANUMERIC = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** Random characters, a digit and a letter among them. */
function random(length: number, alphabet = ALPHANUMERIC): string {
  const bytes = randomBytes(length);
  const digits = alphabet.match(/\d/g) ?? [alphabet[0]!];
  const text = Array.from(bytes, (byte) => alphabet[byte % alphabet.length]).join('');
  return text.slice(0, 3) + digits[bytes[0]! % digits.length] + text.slice(4);
}

const hex = (length: number): string => random(length, '0123456789abcdef');
const base32 = (length: number): string => random(length, 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567');
const base64Url = (text: string): string => Buffer.from(text).toString('base64url');

const KEYS: Record<string, () => string> = {
  openai: () => `sk-proj-${random(48)}`,
  'openai, old': () => `sk-${random(48)}`,
  anthropic: () => `sk-ant-api03-${random(93)}AA`,
  groq: () => `gsk_${random(52)}`,
  huggingface: () => `hf_${random(34)}`,
  perplexity: () => `pplx-${random(48)}`,
  langsmith: () => `lsv2_pt_${hex(32)}_${hex(10)}`,
  aws: () => `AKIA${base32(16)}`,
  'aws session': () => `ASIA${base32(16)}`,
  google: () => `AIza${random(35)}`,
  'google oauth': () => `ya29.${random(60)}`,
  digitalocean: () => `dop_v1_${hex(64)}`,
  bedrock: () => `ABSK${random(120)}`,
  entra: () => `${random(4).slice(1)}8Q~${random(34)}`,
  heroku: () => `HRKU-AA${random(58)}`,
  pulumi: () => `pul-${hex(40)}`,
  brevo: () => `xkeysib-${hex(64)}-${random(16)}`,
  square: () => `sq0atp-${random(22)}`,
  databricks: () => `dapi${hex(32)}`,
  vault: () => `hvs.${random(90)}`,
  'github classic': () => `ghp_${random(36)}`,
  'github app': () => `ghs_${random(36)}`,
  'github fine-grained': () => `github_pat_${random(22)}_${random(59)}`,
  gitlab: () => `glpat-${random(20)}`,
  atlassian: () => `ATATT3${random(186)}`,
  npm: () => `npm_${random(36)}`,
  pypi: () => `pypi-${random(150)}`,
  linear: () => `lin_api_${random(40)}`,
  stripe: () => `sk_live_${random(24)}`,
  'stripe restricted': () => `rk_test_${random(24)}`,
  'slack bot': () => `xoxb-${random(12, '0123456789')}-${random(24)}`,
  'slack app': () => `xapp-1-A${random(10)}-${random(40)}`,
  sendgrid: () => `SG.${random(22)}.${random(43)}`,
  twilio: () => `SK${hex(32)}`,
  mailgun: () => `key-${hex(32)}`,
  shopify: () => `shpat_${hex(32)}`,
  grafana: () => `glsa_${random(32)}_${hex(8)}`,
  'new relic': () => `NRAK-${base32(27)}`,
  age: () => `AGE-SECRET-KEY-1${base32(58)}`,
  'nats seed': () => `SU${base32(56)}`,
  jwt: () => `${base64Url('{"alg":"HS256","typ":"JWT"}')}.${base64Url(`{"sub":"${random(12)}"}`)}.${random(43)}`,
};

const KEY_KIND = 'RSA';

/** How a secret without a shape of its own is told: by what is around it. */
const NAMED: Record<string, (secret: string) => string> = {
  bearer: (secret) => `Authorization: Bearer ${secret}`,
  'bearer, lower case': (secret) => `authorization: bearer ${secret}`,
  basic: (secret) => `sent Basic ${Buffer.from(`user:${secret}`).toString('base64')}`,
  url: (secret) => `postgres://app:${secret}@db.internal:5432/orders`,
  'url without user': (secret) => `redis://:${secret}@cache.internal`,
  'slack hook': (secret) => `https://hooks.slack.com/services/T0A1/B2C3/${secret}`,
  query: (secret) => `GET https://api.example.com/v1?page=2&api_key=${secret}&limit=1`,
  env: (secret) => `DB_PASSWORD=${secret}`,
  'env of a token': (secret) => `export SERVICE_TOKEN="${secret}"`,
  json: (secret) => `{"user":"ann","password":"${secret}","age":3}`,
  'json in json': (secret) => `{\\"client_secret\\":\\"${secret}\\"}`,
  yaml: (secret) => `private_key: '${secret}'`,
  cookie: (secret) => `Cookie: theme=dark; sid=${secret}; x=1`,
  camel: (secret) => `accessKey: ${secret},`,
  dsn: (secret) => `Server=db;User Id=app;Password=${secret};`,
  'private key': (secret) =>
    `-----BEGIN ${KEY_KIND} PRIVATE KEY-----\n${secret}\n-----END ${KEY_KIND} PRIVATE KEY-----`,
};

const SHAPES: readonly (() => PlantedSecret)[] = [
  ...Object.entries(KEYS).map(([shape, make]) => () => {
    const secret = make();
    return { shape, text: `the call with ${secret} failed`, secret };
  }),
  ...Object.entries(NAMED).map(([shape, tell]) => () => {
    const secret = random(24);
    const text = tell(secret);
    return { shape, text, secret: text.includes(secret) ? secret : text.split(' ').at(-1)! };
  }),
];

/** Each shape in turn, every one with a value of its own. */
export function plantedSecrets(count: number): PlantedSecret[] {
  return Array.from({ length: count }, (_, i) => SHAPES[i % SHAPES.length]!());
}

export const SHAPE_COUNT = SHAPES.length;
