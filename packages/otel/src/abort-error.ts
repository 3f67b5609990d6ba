/** Whether something was thrown because it was cancelled. Anything may be thrown: a getter or Proxy that throws is no abort. */
export function isAbortError(error: unknown): error is Error {
  try {
    return error instanceof Error && error.name === 'AbortError';
  } catch {
    return false;
  }
}
