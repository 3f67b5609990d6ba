// Registered before anything else: node --import ./spanledger.mjs app.mjs
import { start } from '@spanledger/node';
import { bus } from './bus.mjs';

// SPANLEDGER_NATS_URL names a server; without one the ledger is a file in .spanledger/.
await start({ producer: 'report-writer', bus });
