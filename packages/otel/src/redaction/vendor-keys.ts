/**
 * The keys of vendors, by the shape that the vendors give them. The list is held against the default rules of gitleaks (MIT): see
 * `packages/audit/test/gitleaks-rules.test.ts`, which says which of them it covers.
 *
 * No package is used for it (looked at in November 2026). gitleaks is a program in Go. secretlint (MIT) has fewer vendors, needs
 * Node.js 22 since version 12, and answers with a promise; this runs inside a span hook. What else is on npm redacts by the names of
 * fields, or is not kept.
 */

/** `[prefix, what follows, how much of it at least]`; a prefix begins with a character as it stands. A key that was cut off (`…[truncated:`) counts, however little is left of it. */
export const VENDOR_KEYS: readonly (readonly [prefix: string, body: string, min: number])[] = [
  // Models and what is around them.
  ['sk-(?=(?:proj|svcacct|admin)-|[\\w-]{0,48}\\d)', '[\\w-]', 16], // OpenAI, Anthropic, OpenRouter, DeepSeek, Langfuse
  ['gsk_', '\\w', 32], // Groq
  ['xai-', '[\\w-]', 20],
  ['pplx-', '[\\w-]', 20], // Perplexity
  ['tvly-', '[\\w-]', 20], // Tavily
  ['nvapi-', '[\\w-]', 20], // NVIDIA
  ['hf_', '[A-Za-z0-9]', 30], // Hugging Face
  ['api_org_', '[A-Za-z0-9]', 30],
  ['r8_', '\\w', 30], // Replicate
  ['lsv2_(?:pt|sk)_', '\\w', 32], // LangSmith
  ['pcsk_', '\\w', 20], // Pinecone
  // Clouds and databases.
  ['A(?:KIA|SIA|BIA|CCA|3T[A-Z0-9])', '[A-Z0-9]', 16], // AWS
  ['ABSK', '[\\w+/=]', 30], // AWS Bedrock
  ['bedrock-api-key-', '[\\w+/=]', 20],
  ['AIza', '[\\w-]', 30], // Google
  ['ya29\\.', '[\\w-]', 20],
  ['GOCSPX-', '[\\w-]', 20],
  ['LTAI', '[A-Za-z0-9]', 16], // Alibaba
  ['AQVN', '[\\w-]', 35], // Yandex
  ['do[opr]_v1_', '[a-f0-9]', 32], // DigitalOcean
  ['dapi', '[a-f0-9-]', 32], // Databricks
  ['hv[sbr]\\.', '[\\w-]', 20], // Vault
  ['s\\.(?=(?=[A-Za-z]{0,23}\\d)[A-Za-z0-9]{24}(?![\\w.(])|[A-Za-z0-9]{0,24}…)', '[A-Za-z0-9]', 24], // before 1.10
  ['dp\\.(?:pt|st|ct|sa|scim|audit)\\.', '\\w', 32], // Doppler
  ['sbp_', '[a-f0-9]', 32], // Supabase
  ['sb_secret_', '[\\w-]', 20],
  ['pscale_(?:tkn|pw|oauth)_', '[\\w.=-]', 24], // PlanetScale
  ['4b1d(?=[A-Za-z0-9]{38}(?![A-Za-z0-9])|[A-Za-z0-9]{0,38}…)', '[A-Za-z0-9]', 38], // ClickHouse
  ['HRKU-AA', '[\\w-]', 30], // Heroku
  ['fo1_', '[\\w-]', 40], // Fly
  ['fm(?:1[ar]|2)_', '[\\w+/=-]', 40],
  ['tk-us-', '[\\w-]', 40], // Scalingo
  ['v1\\.0-(?=[a-f0-9]{24}-)', '[a-f0-9-]', 100], // Cloudflare, origin
  ['pul-', '[a-f0-9]', 40], // Pulumi
  ['sha256~', '[\\w-]', 40], // OpenShift
  ['dt0c01\\.', '[\\w.]', 40], // Dynatrace
  ['dnkey-', '[\\w=-]', 40], // Defined Networking
  ['ops_eyJ', '[\\w+/=]', 40], // 1Password
  ['A3-(?=[A-Z0-9]{6}-)', '[A-Z0-9-]', 30],
  // Code and packages.
  ['gh[oprsu]_', '\\w', 30], // GitHub
  ['github_pat_', '\\w', 40],
  ['gl(?:pat|ptt|rt|dt|ft|ffct|soat|cbt|oas|imt|agent)-', '(?:[\\w-]|\\.(?=[0-9a-z]{9}(?![0-9a-z])))', 20], // GitLab
  ['GR1348941', '[\\w-]', 20],
  ['_gitlab_session=', '[a-z0-9]', 32],
  ['sgp_', '\\w', 40], // Sourcegraph
  ['ATATT3', '[\\w=-]', 40], // Atlassian
  ['npm_', '[A-Za-z0-9]', 30],
  ['pypi-', '[\\w-]', 40],
  ['rubygems_', '[a-f0-9]', 32],
  ['CLOJARS_', '[A-Za-z0-9]', 40],
  ['AKCp', '[A-Za-z0-9]', 60], // Artifactory
  ['cmVmd', '[A-Za-z0-9]', 55],
  ['pat\\.(?=[\\w-]{22}\\.)', '[\\w.-]', 60], // Harness
  ['sat\\.(?=[\\w-]{22}\\.)', '[\\w.-]', 60],
  ['API-', '[A-Z0-9]', 26], // Octopus Deploy
  ['ico-', '[A-Za-z0-9]', 32], // Infracost
  ['pnu_', '[A-Za-z0-9]', 36], // Prefect
  ['sm_[aps]at_', '[A-Za-z0-9]', 16], // SettleMint
  ['lin_api_', '\\w', 30], // Linear
  ['ntn_', '\\w', 30], // Notion
  ['figd_', '[\\w-]', 30], // Figma
  ['PMAK-', '[a-f0-9-]', 40], // Postman
  ['rdme_', '[a-z0-9]', 40], // ReadMe
  // Payment, shops, travel.
  ['sk_(?:live|test|prod)_', '\\w', 10], // Stripe
  ['rk_(?:live|test|prod)_', '\\w', 10],
  ['EAAA', '[\\w-]', 20], // Square
  ['sq0atp-', '[\\w-]', 20],
  ['FLW(?:SECK|PUBK)(?:_TEST)?-', '[\\w-]', 12], // Flutterwave
  ['duffel_(?:test|live)_', '[\\w=-]', 30],
  ['shippo_(?:test|live)_', '[a-fA-F0-9]', 30],
  ['EZ[AT]K', '[A-Za-z0-9]', 50], // EasyPost
  ['shp(?:at|ca|pa|ss)_', '[A-Fa-f0-9]', 32], // Shopify
  ['whsec_', '[\\w+/=]', 20],
  // Post and chat.
  ['xox(?:e\\.xox)?[abeoprs]-', '[\\w-]', 10], // Slack
  ['xapp-', '[\\w-]', 20],
  ['hooks\\.slack\\.com/(?:services|workflows|triggers)/', '[\\w+/]', 16],
  ['webhook\\.office\\.com/webhookb2/', '[\\w/@-]', 30], // Microsoft Teams
  ['xkeysib-', '[\\w-]', 40], // Brevo
  ['SG\\.', '[\\w=.-]', 32], // SendGrid
  ['SK(?=[a-fA-F0-9]{8})', '[a-fA-F0-9]', 32], // Twilio
  ['key-(?=[a-f0-9]{8})', '[a-f0-9]', 32], // Mailgun
  ['pubkey-(?=[a-f0-9]{8})', '[a-f0-9]', 32],
  ['EAA[MC]', '[A-Za-z0-9]', 100], // Facebook
  // Watching, files, content.
  ['gl(?:c|sa)_', '[\\w+/=]', 32], // Grafana
  ['eyJrIjoi', '[A-Za-z0-9=]', 60],
  ['NR(?:AK|JS|II)-', '[\\w-]', 19], // New Relic
  ['sntry[su]_', '[\\w+/=]', 30], // Sentry
  ['fio-u-', '[\\w=-]', 60], // Frame.io
  ['sl\\.', '[\\w=-]', 100], // Dropbox
  ['pat(?=[A-Za-z0-9]{14}\\.)', '[A-Za-z0-9.]', 60], // Airtable
  ['tfp_', '[\\w.=-]', 40], // Typeform
  ['p8e-', '[A-Za-z0-9]', 32], // Adobe
  ['s-s4t2(?:ud|af)-', '[A-Fa-f0-9]', 60], // 42
  ['s(?:c|cauth)_(?=[a-z0-9]{5,30}\\.[a-z0-9]{4,6}\\.acc[_-])', '[\\w.+/=-]', 40], // Authress
  ['ext_(?=[a-z0-9]{5,30}\\.[a-z0-9]{4,6}\\.acc[_-])', '[\\w.+/=-]', 40],
  ['authress_(?=[a-z0-9]{5,30}\\.[a-z0-9]{4,6}\\.acc[_-])', '[\\w.+/=-]', 40],
  // Keys of their own kind.
  ['AGE-SECRET-KEY-1', '[A-Z0-9]', 40],
  ['S[UAONC](?=[A-Z2-7]{10})', '[A-Z2-7]', 56], // seeds of NATS keys
  ['ZXlK(?=[A-Za-z0-9])', '[\\w+/=-]', 40], // JSON Web Tokens, encoded once more
];

/** Keys that have their mark in the middle or at the end: `[what is before it, mark, what follows, how much of it at least]`; a mark begins as a prefix. */
export const MARKED_KEYS: readonly (readonly [before: string, mark: string, body: string, min: number])[] = [
  ['(?<![\\w.~-])[\\w.~]{3}\\d', 'Q~', '[\\w.~-]', 28], // Entra (Azure AD)
  ['(?<![A-Za-z0-9])[A-Za-z0-9]{14}', '\\.atlasv1\\.', '[\\w=-]', 40], // Terraform
  ['(?<!\\d)\\d{5,16}', ':A', '[\\w-]', 34], // bots of Telegram
  ['(?<![A-Za-z0-9])\\d{15,16}', '\\|', '[\\w-]', 27], // Facebook
  ['(?<![A-Za-z0-9])\\d{15,16}', '%', '[\\w-]', 27],
  ['(?<![A-Za-z0-9])[A-Za-z0-9]{6}_[A-Za-z0-9]{29}', '_mm', 'k', 1], // MaxMind
  ['(?<![A-Za-z0-9])[a-f0-9]{32}', '-us', '\\d', 1], // Mailchimp
];
