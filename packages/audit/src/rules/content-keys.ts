/**
 * Attributes that carry what people and models say, rather than what happened: prompts and completions, tool arguments and
 * results, query texts, URLs with their queries, headers, bodies and stack traces.
 * The keys are those of OpenTelemetry's conventions, of OpenInference, OpenLLMetry and the Vercel AI SDK.
 */
const CONTENT_KEYS: readonly RegExp[] = [
  /^gen_ai\.(input|output)\.messages$/,
  /^gen_ai\.(system_instructions|prompt|completion|content)\b/,
  /^gen_ai\.tool\.(call\.(arguments|result)|definitions)$/,
  /^(gen_ai|mcp)\..*\.(arguments|result|body|content)$/,
  /^llm\.(prompts?|completions?|input_messages|output_messages|prompt_template)\b/,
  /^(input|output)\.value$/,
  /^ai\.(prompt|response\.(text|object|toolCalls)|toolCall\.(args|result))\b/,
  /^traceloop\.entity\.(input|output)$/,
  /^db\.(statement|query\.text|query\.parameter\b.*|operation\.parameter\b.*)$/,
  /^(url\.(full|query)|http\.(url|target))$/,
  /^http\.(request|response)\.(header\b.*|body(\.content)?)$/,
  /^exception\.stacktrace$/,
];

const known = new Map<string, boolean>();
/** I7: keys come from rules and marked span events; past this many they are matched again each time. */
const KNOWN_MAX = 1024;

export function isContentKey(key: string): boolean {
  const before = known.get(key);
  if (before !== undefined) return before;
  const verdict = CONTENT_KEYS.some((pattern) => pattern.test(key));
  if (known.size < KNOWN_MAX) known.set(key, verdict);
  return verdict;
}

/**
 * What is recorded of content at level `metadata`: bytes of a text or of binary data, elements of an array, members of
 * an object. @returns `undefined` where there is nothing to measure.
 */
export function contentSize(value: unknown): number | undefined {
  if (typeof value === 'string') return Buffer.byteLength(value) || undefined;
  if (typeof value !== 'object' || value === null) return undefined;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  return (Array.isArray(value) ? value.length : Object.keys(value).length) || undefined;
}
