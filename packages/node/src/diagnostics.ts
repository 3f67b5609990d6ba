import { inspect } from 'node:util';
import { DiagLogLevel, diag } from '@opentelemetry/api';
import type { DiagLogger } from '@opentelemetry/api';
import { redactedLogger } from '@spanledger/otel/internal';

export const logger = redactedLogger('@spanledger/node');

/** Where every copy of the OpenTelemetry API keeps its globals; the API has no way to ask whether a logger is set. */
const API_GLOBALS = Symbol.for('opentelemetry.js.api.1');

/**
 * Lets Spanledger's own warnings and errors, and nothing else, reach the terminal (standard error).
 *
 * OpenTelemetry says nothing unless a logger is set, and a ledger that fails must not be silent. Whoever sets a logger, or
 * OTEL_LOG_LEVEL (for which NodeSDK sets one), has it all to themselves.
 */
export function showOwnWarnings(): void {
  const globals = globalThis as { [API_GLOBALS]?: { diag?: unknown } };
  if (process.env['OTEL_LOG_LEVEL'] || globals[API_GLOBALS]?.diag !== undefined) return;
  diag.setLogger(ownWarningsOnly, { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true });
}

const ownWarningsOnly: DiagLogger = { error: print, warn: print, info: ignore, debug: ignore, verbose: ignore };

function print(namespace: string, ...words: unknown[]): void {
  if (!namespace.startsWith('@spanledger/')) return;
  process.stderr.write(`spanledger: ${words.map(asText).join(' ')}\n`);
}

/** One line, whatever there is in it: calls are left to those who set a logger. */
function asText(word: unknown): string {
  const text = typeof word === 'string' ? word : inspect(word, { breakLength: Infinity });
  return text.replace(/\n {4}at [^\n]*/g, '').replaceAll('\n', ' ');
}

function ignore(): void {}
