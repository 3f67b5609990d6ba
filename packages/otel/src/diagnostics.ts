import { redactedLogger } from './redaction/redacted-logger.ts';

/** Where this package says what it cannot throw (I5). */
export const logger = redactedLogger('@spanledger/otel');
