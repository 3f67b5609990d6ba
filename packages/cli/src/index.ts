export { main } from './main.ts';
export type { ProcessIo } from './terminal/terminal.ts';
