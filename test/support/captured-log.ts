import { DiagLogLevel, diag } from '@opentelemetry/api';
import type { PlantedSecret } from '../../packages/audit/test/redaction-support.ts';

/** @returns all that is logged from now on, line by line, with what an error has in it. `diag.disable()` ends it. */
export function captureLog(): string[] {
  const lines: string[] = [];
  const log = (...parts: unknown[]): void => {
    lines.push(
      parts.map((part) => (part instanceof Error ? `${part.stack} ${String(part.cause)}` : String(part))).join(' '),
    );
  };
  diag.setLogger(
    { error: log, warn: log, info: log, debug: log, verbose: log },
    { logLevel: DiagLogLevel.ALL, suppressOverrideMessage: true },
  );
  return lines;
}

/** The shapes of those that can be read, in whole or in as much of them as is of use; as JSON writes them. */
export function leaked(secrets: readonly PlantedSecret[], text: string): string[] {
  return secrets
    .filter(({ secret }) => text.includes(secret.slice(0, 20)) || text.includes(secret.slice(-12)))
    .map(({ shape }) => shape);
}
