import { once } from 'node:events';
import picocolors from 'picocolors';
import { toJson, visible } from './visible.ts';

/** Functions that colour a text, or do nothing. */
export type Colors = ReturnType<typeof picocolors.createColors>;

type Environment = Readonly<Record<string, string | undefined>>;

/** What `main` is given of a process. */
export interface ProcessIo {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
  readonly env: Environment;
}

/** Of a terminal, in characters. */
export interface WindowSize {
  readonly columns: number;
  readonly rows: number;
}

const WIDTH_DEFAULT = 100;

/**
 * Where a command writes to: results to stdout, everything else (progress, notes, errors) to stderr. A reader that goes away
 * (`| head -1`) is no error: what is written after that is dropped, and `readerGone` is aborted.
 */
export class Terminal {
  readonly io: ProcessIo;
  /** For stdout; they do nothing where it is no terminal, or NO_COLOR is set. */
  readonly colors: Colors;
  /** For stderr. */
  readonly noteColors: Colors;
  readonly readerGone: AbortSignal;
  readonly #gone = new AbortController();

  constructor(io: ProcessIo) {
    this.io = io;
    this.colors = picocolors.createColors(wantsColor(io.stdout, io.env));
    this.noteColors = picocolors.createColors(wantsColor(io.stderr, io.env));
    this.readerGone = this.#gone.signal;
    // EPIPE comes as an event, and again with each write; without a listener it would end the process with a trace.
    io.stdout.on('error', () => this.#gone.abort());
    io.stderr.on('error', () => {});
  }

  get isTerminal(): boolean {
    return isTty(this.io.stdout);
  }

  /** Columns of stdout; 100 where that is no terminal. */
  get columns(): number {
    return (this.io.stdout as Partial<NodeJS.WriteStream>).columns ?? WIDTH_DEFAULT;
  }

  /** Size of stdout as it is now; `undefined` where nothing can be redrawn. */
  get window(): WindowSize | undefined {
    const { columns = 0, rows = 0 } = this.io.stdout as Partial<NodeJS.WriteStream>;
    return this.isTerminal && this.io.env['TERM'] !== 'dumb' && columns > 0 && rows > 1 ? { columns, rows } : undefined;
  }

  /** Whether progress may be drawn. */
  get canDraw(): boolean {
    return isTty(this.io.stderr) && this.io.env['TERM'] !== 'dumb';
  }

  /** Result: a line whose values have all passed `visible`. Resolves when there is room for more. */
  line(text = ''): Promise<void> {
    return this.write(`${text}\n`);
  }

  /** Result: one JSON document, or with `indent` 0 one line of NDJSON. */
  json(value: unknown, indent = 2): Promise<void> {
    return this.line(toJson(value, indent));
  }

  /** Result: exactly these bytes. Never straight from the ledger to a terminal. */
  async write(bytes: string | Uint8Array): Promise<void> {
    if (this.readerGone.aborted || this.io.stdout.write(bytes)) return;
    await once(this.io.stdout, 'drain', { signal: this.readerGone }).catch(() => {});
  }

  /** For who runs it. Control characters are made visible here. */
  note(text: string): void {
    this.io.stderr.write(`${text.split('\n').map(plain).join('\n')}\n`);
  }

  warn(text: string): void {
    this.io.stderr.write(`${this.noteColors.yellow('warning:')} ${plain(text)}\n`);
  }

  fail(text: string, advice?: string): void {
    const { red } = this.noteColors;
    this.io.stderr.write(`${red('error:')} ${plain(text)}\n${advice === undefined ? '' : `  ${plain(advice)}\n`}`);
  }
}

const NOTE_MAX = 4_000;
const plain = (text: string): string => visible(text, NOTE_MAX);

function isTty(stream: object): boolean {
  return (stream as { isTTY?: boolean }).isTTY === true;
}

/** https://no-color.org, and its opposite for CI. */
function wantsColor(stream: object, env: Environment): boolean {
  if (env['NO_COLOR']) return false;
  if (env['FORCE_COLOR']) return env['FORCE_COLOR'] !== '0';
  return isTty(stream) && env['TERM'] !== 'dumb';
}
