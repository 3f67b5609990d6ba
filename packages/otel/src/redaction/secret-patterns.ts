/**
 * What secrets look like.
 *
 * Prefixes, alphabets and lengths are those that the vendors give their keys; the list was held against the default rules of
 * gitleaks (MIT) in November 2026. Neither they nor secretlint can be used as they are: gitleaks is written in Go, secretlint needs
 * Node.js 22, and this runs inside a span hook.
 *
 * I5: every pattern takes time linear in the text. A repetition is either bounded, or the last thing that can fail, or begins where
 * nothing of its own alphabet stands before it; a test holds them to that with hostile texts.
 */

/** `[prefix, what follows at least]`. A key that was cut off (`…[truncated:`) counts, however little is left of it. */
const VENDOR_KEYS: readonly (readonly [prefix: string, body: string, min: number])[] = [
  // Models and what is around them.
  ['sk-(?=[\\w-]{0,48}\\d)', '[\\w-]', 16], // OpenAI, Anthropic, OpenRouter, DeepSeek, Langfuse
  ['gsk_', '\\w', 32], // Groq
  ['(?:xai|pplx|tvly)-', '[\\w-]', 20], // xAI, Perplexity, Tavily
  ['hf_', '[A-Za-z0-9]', 30], // Hugging Face
  ['r8_', '\\w', 30], // Replicate
  ['lsv2_(?:pt|sk)_', '\\w', 32], // LangSmith
  ['pcsk_', '\\w', 20], // Pinecone
  // Clouds.
  ['(?:AKIA|ASIA|ABIA|ACCA)', '[A-Z0-9]', 16], // AWS
  ['AIza', '[\\w-]', 30], // Google
  ['ya29\\.', '[\\w-]', 20],
  ['GOCSPX-', '[\\w-]', 20],
  ['LTAI', '[A-Za-z0-9]', 16], // Alibaba
  ['do[opr]_v1_', '[a-f0-9]', 32], // DigitalOcean
  ['dapi', '[a-f0-9]', 32], // Databricks
  ['hv[sbr]\\.', '[\\w-]', 20], // Vault
  ['dp\\.(?:pt|st|ct|sa|scim|audit)\\.', '\\w', 32], // Doppler
  ['sbp_', '[a-f0-9]', 32], // Supabase
  ['pscale_(?:tkn|pw|oauth)_', '[\\w.=-]', 24], // PlanetScale
  ['(?:ABSK|bedrock-api-key-)', '[\\w+/]', 30], // AWS Bedrock
  ['HRKU-AA', '[\\w-]', 30], // Heroku
  ['(?:fo1|fm1[ar]|fm2)_', '[\\w+/-]', 40], // Fly
  ['pul-', '[a-f0-9]', 40], // Pulumi
  ['sha256~', '[\\w-]', 40], // OpenShift
  ['dt0c01\\.', '[\\w.]', 40], // Dynatrace
  ['ops_eyJ', '[\\w+/]', 40], // 1Password
  // Code and packages.
  ['gh[oprsu]_', '\\w', 30], // GitHub
  ['github_pat_', '\\w', 40],
  ['gl(?:pat|ptt|rt|dt|ft|ffct|soat|cbt|oas|imt|agent)-', '[\\w-]', 20], // GitLab
  ['GR1348941', '[\\w-]', 20],
  ['sgp_', '\\w', 40], // Sourcegraph
  ['ATATT3', '[\\w=-]', 40], // Atlassian
  ['npm_', '[A-Za-z0-9]', 30],
  ['pypi-', '[\\w-]', 40],
  ['rubygems_', '[a-f0-9]', 32],
  ['lin_api_', '\\w', 30], // Linear
  ['ntn_', '\\w', 30], // Notion
  ['figd_', '[\\w-]', 30], // Figma
  ['PMAK-', '[a-f0-9-]', 40], // Postman
  // Payment, post, chat, watching.
  ['(?:sk|rk)_(?:live|test|prod)_', '\\w', 10], // Stripe
  ['sq0atp-', '[\\w-]', 20], // Square
  ['(?:duffel|shippo)_(?:test|live)_', '[\\w=-]', 30],
  ['whsec_', '[\\w+/=]', 20],
  ['xox[abeoprs]-', '[\\w-]', 10], // Slack
  ['xapp-', '[\\w-]', 20],
  ['hooks\\.slack\\.com/(?:services|workflows|triggers)/', '[\\w/]', 16],
  ['xkeysib-', '[\\w-]', 40], // Brevo
  ['SG\\.', '[\\w.-]', 32], // SendGrid
  ['SK(?=[a-f0-9]{8})', '[a-f0-9]', 32], // Twilio
  ['key-(?=[a-f0-9]{8})', '[a-f0-9]', 32], // Mailgun
  ['shp(?:at|ca|pa|ss)_', '[A-Fa-f0-9]', 32], // Shopify
  ['gl(?:c|sa)_', '[\\w+/=]', 32], // Grafana
  ['NRAK-', '[A-Z0-9]', 20], // New Relic
  ['sntry[su]_', '[\\w+/=]', 30], // Sentry
  // Keys of their own kind.
  ['AGE-SECRET-KEY-1', '[A-Z0-9]', 40],
  ['S[UAONC](?=[A-Z2-7]{10})', '[A-Z2-7]', 56], // seeds of NATS keys
];

const CUT = '(?=…\\[truncated:)';

const vendorKey = VENDOR_KEYS.map(
  ([prefix, body, min]) => `${prefix}(?:${body}{${min},}|${body}{0,${min}}${CUT})`,
).join('|');

/** The secret is the whole match. Boundaries keep `task-…` from being `sk-…`. */
export const WHOLE_SECRETS: readonly RegExp[] = [
  // To its end, or to the end of the text: a block that was cut off has no end.
  /-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY[^-]{0,16}-----[\s\S]*?(?:-----END [A-Z0-9 ]{0,40}PRIVATE KEY[^-]{0,16}-----|(?=…\[truncated:)|$)/g,
  new RegExp(`(?<![A-Za-z0-9])(?:${vendorKey})`, 'g'),
  // Entra (Azure AD), whose keys have their mark in the middle.
  /(?<![\w.~-])[\w.~]{3}\dQ~(?:[\w.~-]{28,}|[\w.~-]{0,28}(?=…\[truncated:))/g,
  // JSON Web Tokens, signed and encrypted.
  /(?<![\w-])eyJ[\w-]{12,}(?:(?:\.[\w-]+){1,4}|(?=…\[truncated:))/g,
];

/** Names whose value is a secret, whatever it looks like. Quotes have up to seven backslashes before them: JSON in JSON in JSON. */
const CERTAIN = 'passw(?:or)?d|passphrase|pwd|secret|credentials?';
const TOLD = `${CERTAIN}|token|api[_-]?key`;

/** The secret is the group `secret`; what is around it stays. */
export const NAMED_SECRETS: readonly RegExp[] = [
  // "Basic authentication" is prose: a credential has a digit, an equals sign, or changes case.
  /(?<![A-Za-z0-9])(?:[Bb]earer|BEARER|[Bb]asic|[Tt]oken)[ \t]{1,8}(?=[A-Za-z.~+/_-]{0,64}[0-9=]|[A-Za-z]{0,64}[a-z][A-Z])(?<secret>[\w.~+/=-]{8,})/g,
  // Credentials in a URL, to the last `@` of its authority.
  /:\/\/[^\s/?#@:"'<>]{0,256}:(?<secret>[^\s/?#"'<>…]{1,512})(?:@|(?=…\[truncated:))/g,
  // Headers with more than one word in their value.
  /(?:cookie|authorization|x-(?:[a-z0-9]{1,16}-){0,2}(?:api-key|auth-token))(?:\\{0,7}["'])?[ \t]{0,4}[:=][ \t]{0,4}(?:\\{0,7}["'])?(?!(?:bearer|basic|token)[ \t])(?<secret>[^\s"'\\…](?:[^\r\n"'\\…]|…(?!\[truncated:))*)/gi,
  // Options of a command line; those of curl, because to others `-u 1000:1000` is a user and a group.
  new RegExp(
    `(?<![\\w-])--(?:[a-z0-9]{1,24}[_-]){0,3}(?:${TOLD}|pass)(?:[ \\t]{1,4}|=)\\\\{0,7}["']?(?<secret>(?<=["'])(?:[^"'\\\\\\r\\n…]|\\\\{1,7}(?![\\\\"']))+|[^\\s"'\\\\\`&;,<>(){}…=:|-][^\\s"'\\\\\`&;,<>(){}…]*)`,
    'gi',
  ),
  /(?<![\w-])curl[ \t](?:[^\r\n|;]{0,256}?[ \t])?(?:-u|--user)[ \t]{0,4}\\{0,7}["']?[^\s:"'\\]{1,64}:(?<secret>[^\s"'\\…]+)/g,
  // Elements of XML.
  new RegExp(`<[\\w.:-]{0,40}(?:${TOLD})(?:\\s[^<>]{0,128})?>(?<secret>[^<\\s…][^<…]*)`, 'gi'),
];

/** Names whose value is one if it looks random. */
const LIKELY =
  'token|api[_-]?key|(?:access|private|secret|signing|encryption|account|auth|shared|master|session)[_-]?key|signature|sig|jwt';
const VALUE =
  '(?:\\\\{0,7}"(?<double>(?:[^"\\r\\n…]|…(?!\\[truncated:))+)|\\\\{0,7}\'(?<single>(?:[^\'\\r\\n…]|…(?!\\[truncated:))+)|(?<bare>[^\\s"\'\\\\`&;,<>(){}…]+))';

/** `name = value`, `name: value`, `"name": "value"`, `?name=value`. Which name it is, and the value, are groups. */
export const ASSIGNMENT = new RegExp(
  `(?:(?<certain>${CERTAIN})|(?<likely>${LIKELY}))(?:[_-]\\w{1,16})?(?:\\\\{0,7}["'])?\\]?[ \\t]{0,4}(?:=>|:=|==?|:)[ \\t]{0,4}${VALUE}`,
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
const BEARER = '(?:[Bb]earer|BEARER|[Bb]asic|[Tt]oken)[ \\t]';

/** How keys begin. Nothing that is told by its shape matches where this does not. */
export const KEY_HINT = new RegExp(
  `-----BEGIN |(?<![A-Za-z0-9])(?:${[...VENDOR_KEYS.map(([prefix]) => prefix), 'eyJ', BEARER].join('|')})|Q~|(?:(?<![\\w-])--|<)[\\w.:-]{0,80}${NAMES}`,
);

/** What stands before a secret that is told by its name. Nothing of these matches where this does not. */
export const NAME_HINT = new RegExp(
  [
    '://[^\\s/?#@:"\'<>]{0,256}:[^\\s/]{0,512}(?:@|…)',
    BEARER,
    // The end of a name before `=` or `:` is where an assignment shows, and there are few of these.
    `${NAMES}[\\w-]{0,28}[\\\\"'\\]]{0,9}[ \\t]{0,4}[=:]`,
    'curl[ \\t]',
  ].join('|'),
);
