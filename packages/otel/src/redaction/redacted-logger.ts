import { diag } from '@opentelemetry/api';
import type { DiagLogFunction, DiagLogger } from '@opentelemetry/api';
import { loggable } from './loggable.ts';

/**
 * The one way into the log, OpenTelemetry's `diag`. All that a line is made of becomes text by `loggable`, so that no call has to know
 * what of it is other code's: errors, names, paths, addresses.
 */
export function redactedLogger(namespace: string): DiagLogger {
  const logger = diag.createComponentLogger({ namespace });
  const redacted =
    (level: keyof DiagLogger): DiagLogFunction =>
    (message, ...words) =>
      logger[level](loggable(message), ...words.map((word) => loggable(word)));
  return {
    error: redacted('error'),
    warn: redacted('warn'),
    info: redacted('info'),
    debug: redacted('debug'),
    verbose: redacted('verbose'),
  };
}
