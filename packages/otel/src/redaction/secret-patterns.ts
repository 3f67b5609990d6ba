import { MARKED_KEYS, VENDOR_KEYS } from './vendor-keys.ts';

/**
 * What secrets look like.
 *
 * I5: every pattern takes time linear in the text. A repetition is either bounded, or the last thing that can fail, or begins where
 * nothing of its own alphabet stands before it; a test counts what they do with hostile texts.
 */

const CUT = '(?=…\\[truncated:)';

const atLeast = (body: string, min: number): string => `(?:${body}{${min},}|${body}{0,${min}}${CUT})`;

const vendorKey = VENDOR_KEYS.map(([prefix, body, min]) => prefix + atLeast(body, min)).join('|');
const markedKey = MARKED_KEYS.map(([before, mark, body, min]) => before + mark + atLeast(body, min)).join('|');

/** The secret is the whole match. Boundaries keep `task-…` from being `sk-…`. */
export const WHOLE_SECRETS: readonly RegExp[] = [
  // To its end, or to the end of the text: a block that was cut off has no end.
  /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[^-]{0,16}-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY[^-]{0,16}-----|(?=…\[truncated:)|$)/g,
  new RegExp(`(?<![A-Za-z0-9])(?:${vendorKey})`, 'g'),
  new RegExp(markedKey, 'g'),
  // JSON Web Tokens, signed and encrypted.
  /(?<![\w-])eyJ[\w-]{12,}(?:(?:\.[\w-]+){1,4}|(?=…\[truncated:))/g,
];

/** Names whose value is a secret, whatever it looks like. Quotes have up to seven backslashes before them: JSON in JSON in JSON. */
const CERTAIN =
  'passw(?:or)?d|passphrase|pwd(?![\\\\"\']{0,8}[ \\t]{0,4}[=:][ \\t]{0,4}[\\\\"\']{0,8}/)|secret|credentials?|creds';
const TOLD = `${CERTAIN}|token|api[_-]?key`;

/** The secret is the group `secret`; what is around it stays. */
export const NAMED_SECRETS: readonly RegExp[] = [
  // "Basic authentication", "basic TypeScript" and "token count=12" are prose: a credential has a digit, or changes case as no name does.
  /(?<![A-Za-z0-9])(?:[Bb]earer|BEARER|[Bb]asic|[Tt]oken)[ \t]{1,8}(?=[A-Za-z.~+/_-]{0,64}(?:\d|={1,2}(?![\w=]))|[A-Za-z]{0,64}[a-z][A-Z][a-z]?[A-Z])(?<secret>[\w.~+/-]{8,}={0,2}(?![\w.~+/=-]))/g,
  // Credentials in a URL, to the last `@` of its authority.
  /:\/\/[^\s/?#@:"'<>]{0,256}:(?<secret>[^\s/?#"'<>…]{1,512})(?:@|(?=…\[truncated:))/g,
  // Headers with more than one word in their value.
  /(?:cookie|authorization|x-(?:[a-z0-9]{1,16}-){0,2}(?:api-key|auth-token))(?:\\{0,7}["'])?[ \t]{0,4}[:=][ \t]{0,4}(?:\\{0,7}["'])?(?!(?:bearer|basic|token)[ \t])(?<secret>[^\s"'\\…](?:[^\r\n"'\\…]|…(?!\[truncated:))*)/gi,
  /authorization(?:\\{0,7}["'])?[ \t]{0,4}[:=][ \t]{0,4}(?:\\{0,7}["'])?(?:bearer|basic|token)[ \t]{1,8}(?<secret>[^\s"'\\,;…]+)/gi,
  // Options of a command line; those of curl, because to others `-u 1000:1000` is a user and a group.
  new RegExp(
    `(?<![\\w-])--(?:[a-z0-9]{1,24}[_-]){0,3}(?:${TOLD}|pass)(?:[ \\t]{1,4}|=)\\\\{0,7}["']?(?<secret>(?<=["'])(?:[^"'\\\\\\r\\n…]|\\\\{1,7}(?![\\\\"']))+|[^\\s"'\\\\\`&;,<>(){}…=:|-][^\\s"'\\\\\`&;,<>(){}…]*)`,
    'gi',
  ),
  /(?<![\w-])curl[ \t](?:[^\r\n|;]{0,256}?[ \t])?(?:-u|--user)[ \t]{0,4}\\{0,7}["']?(?=[^\s:"'\\]{0,64}:)(?:[^\s:"'\\]{0,64}:(?=[^\s"'\\…]))?(?<secret>[^\s"'\\…]+)/g,
  // Elements of XML, and the settings that .NET has in them.
  new RegExp(`<[\\w.:-]{0,40}(?:${TOLD})(?:\\s[^<>]{0,128})?>(?<secret>[^<\\s…][^<…]*)`, 'gi'),
  new RegExp(
    `<add[ \\t]{1,4}key=\\\\{0,7}"[\\w.:-]{0,40}(?:${TOLD})\\\\{0,7}"[ \\t]{0,4}value=\\\\{0,7}"(?<secret>[^"\\\\…]+)`,
    'gi',
  ),
];

/** Names whose value is one if it looks random. */
const LIKELY =
  'token|api[_-]?key|(?:access|private|secret|signing|encryption|account|auth|shared|master|session)[_-]?key|signature|sig|jwt';
/** What follows the name of a secret where only something about it is told: `token_type=Bearer`, `secret_name=db`. */
const ABOUT =
  '(?:name|type|kind|file|path|policy|count|limit|length|ttl|expir(?:es?|y)|version|arn|ref|endpoint)(?![a-z])';
const VALUE =
  '(?:\\\\{0,7}"(?<double>(?:[^"\\r\\n…]|…(?!\\[truncated:))+)|\\\\{0,7}\'(?<single>(?:[^\'\\r\\n…]|…(?!\\[truncated:))+)|(?<bare>[^\\s"\'\\\\`&;,<>(){}…]+))';

/** `name = value`, `name: value`, `"name": "value"`, `?name=value`. Which name it is, and the value, are groups. */
export const ASSIGNMENT = new RegExp(
  `(?:(?<certain>${CERTAIN})|(?<likely>${LIKELY}))(?:[_-](?!${ABOUT})\\w{1,16})?(?:\\\\{0,7}["'])?\\]?[ \\t]{0,4}(?:=>|:=|==?|:)[ \\t]{0,4}${VALUE}`,
  'gi',
);

/** What may follow such a name: it is said twice, encoded, or one of several. */
const SUFFIX = 's?(?:[_-]?(?:confirm(?:ation)?|value|plain|hash|pem|base64|\\d))?';

/** A field of this name is a secret as a whole. `input_tokens` and `token_kind` are not. */
export const SECRET_NAME = new RegExp(
  `(?:(?:${CERTAIN}|cookie|api[_-]?key|(?:access|private|secret|signing|encryption|account|auth)[_-]?key)${SUFFIX}|authorization|(?:^|[._-])(?:pass(?:code)?|otp(?:[_-]?code)?)|(?:^|[._-]|access|refresh|auth|bearer|session|api|id)token)$`,
  'i',
);

/** How the names of secrets begin. */
const NAMES =
  '(?:[Pp][Aa][Ss][Ss]|[Pp][Ww][Dd]|[Ss][Ee][Cc][Rr]|[Cc][Rr][Ee][Dd]|[Cc][Oo][Oo][Kk]|[Aa][Uu][Tt][Hh][Oo]|[Tt][Oo][Kk][Ee]|[Kk][Ee][Yy]|[Ss][Ii][Gg]|[Jj][Ww][Tt])';

const BEARERS = ['Bearer', 'bearer', 'BEARER', 'Basic', 'basic', 'Token', 'token'].map((scheme) => `${scheme}[ \\t]`);
const PREFIXES = [...VENDOR_KEYS.map(([prefix]) => prefix), 'eyJ', ...BEARERS];
const MARKS = MARKED_KEYS.map(([, mark, body, min]) => `${mark}(?:${body}{${min}}|${body}{0,${min}}…)`);
const SIGNS = ['-----BEGIN ', `--(?<![\\w-]--)[\\w.:-]{0,80}${NAMES}`, `<[\\w.:-]{0,80}${NAMES}`];

function byFirst(starts: readonly string[]): [first: string, rest: string][] {
  const rests = new Map<string, string[]>();
  for (const start of starts) {
    const first = /^\\?./.exec(start)![0];
    rests.set(first, [...(rests.get(first) ?? []), start.slice(first.length)]);
  }
  return [...rests].map(([first, rest]) => [first, `(?:${rest.join('|')})`]);
}

function oneOf(starts: readonly string[]): string {
  return byFirst(starts)
    .map((group) => group.join(''))
    .join('|');
}

/** The same, for characters that are rare: one look at one class, where none of them is. */
function rareOneOf(starts: readonly string[]): string {
  const groups = byFirst(starts);
  const rest = groups.map(([first, after]) => `(?<=${first})${after}`).join('|');
  return `[${groups.map(([first]) => first).join('')}](?:${rest})`;
}

const INSIDE = [...MARKS, ...SIGNS];
const isDashed = (start: string): boolean => start.startsWith('-');

/**
 * How keys begin, and what is in the middle of them. Nothing that is told by its shape matches where this does not. As V8 is fastest
 * with it: dashes come first, because ids have many; the character before a prefix is taken along, and not looked back at; of a hundred
 * prefixes few are tried, by their first character.
 */
export const KEY_HINT = new RegExp(
  [
    oneOf(INSIDE.filter(isDashed)),
    `(?:^|[^A-Za-z0-9])(?:${oneOf(PREFIXES)})`,
    rareOneOf(INSIDE.filter((start) => !isDashed(start))),
  ].join('|'),
);

/** The same for those that may be short. */
export const SIGN_HINT = new RegExp([...SIGNS, ...BEARERS].join('|'));

/** What stands before a secret that is told by its name. Nothing of these matches where this does not. */
export const NAME_HINT = new RegExp(
  [
    '://[^\\s/?#@:"\'<>]{0,256}:[^\\s/]{0,512}(?:@|…)',
    // The end of a name before `=` or `:` is where an assignment shows, and there are few of these.
    `${NAMES}[\\w-]{0,28}[\\\\"'\\]]{0,9}[ \\t]{0,4}[=:]`,
    'curl[ \\t]',
  ].join('|'),
);
