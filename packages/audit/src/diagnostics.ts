import { redactedLogger } from '@spanledger/otel/internal';

/** Where this package says what it cannot throw (I5). */
export const log = redactedLogger('@spanledger/audit');
