import { startNow } from './start.ts';
import { loggable } from '@spanledger/otel/internal';
import { SpanledgerError } from '@spanledger/protocol';

// `node --import @spanledger/node/register server.js`: all configuration comes from the environment.
try {
  startNow({});
} catch (error) {
  if (!(error instanceof SpanledgerError)) throw error;
  // A service that believes it is audited, and is not, must not run.
  process.stderr.write(`spanledger: ${loggable(error.message)} [${error.code}]\n`);
  process.exit(1);
}
