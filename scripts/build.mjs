// npm run build: set-up and build, and nothing else.
import { main } from './lib/main.mjs';
import { setUp } from './lib/set-up.mjs';

await main(() => setUp(process.stdout));
