// First, because it looks at what was loaded before this package.
import './loaded-before.ts';
import { SpanledgerError } from '@spanledger/protocol';
import { startNow } from './start.ts';

// `node --import @spanledger/node/register server.js`: all configuration comes from the environment.
try {
  startNow({});
} catch (error) {
  if (!(error instanceof SpanledgerError)) throw error;
  // A service that believes it is audited, and is not, must not run.
  process.stderr.write(`spanledger: ${error.message} [${error.code}]\n`);
  process.exit(1);
}
