import { diag } from '@opentelemetry/api';

/** Where this package says what it cannot throw (I5). */
export const logger = diag.createComponentLogger({ namespace: '@spanledger/otel' });
