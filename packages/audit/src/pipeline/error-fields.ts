import { boundText } from '@spanledger/otel/internal';
import type { JsonValue } from '@spanledger/protocol';

/** Enough of a message to tell what went wrong. UTF-16 units. */
const MESSAGE_MAX = 1024;
const TYPE_MAX = 128;

/** `error_type` and `error_message` of whatever was thrown. Absent where it does not say; it never throws. */
export function errorFields(error: unknown): Record<string, JsonValue> {
  try {
    if (error instanceof Error || (typeof error === 'object' && error !== null)) {
      const { name, message } = error as { name?: unknown; message?: unknown };
      return { ...text('error_type', name, TYPE_MAX), ...text('error_message', message, MESSAGE_MAX) };
    }
    return error === undefined ? {} : text('error_message', String(error), MESSAGE_MAX);
  } catch {
    // A getter or toString that throws: the event matters more than its explanation (I5).
    return {};
  }
}

function text(key: string, value: unknown, max: number): Record<string, JsonValue> {
  return typeof value === 'string' && value !== '' ? { [key]: boundText(value, max) } : {};
}
