// Registered before anything else: node --import ./spanledger.mjs worker.mjs
import { start } from '@spanledger/node';

// SPANLEDGER_NATS_URL names the server, SPANLEDGER_JOURNAL_DIR the journal.
await start({ producer: 'report-worker' });
