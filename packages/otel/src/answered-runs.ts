import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { RUN_ID_HEADER, RUN_RECORDED_HEADER, WORKFLOW_FIELDS, parseAttempt, parseId } from '@spanledger/protocol';
import type { WorkflowIdentity } from '@spanledger/protocol';
import { canonicalHost, hostOfUrl } from './allowed-hosts.ts';
import { logger } from './diagnostics.ts';

/** Node and undici publish here for each response whose headers have arrived, and so for each redirect hop. */
const HTTP_RESPONSE = 'http.client.response.finish';
const UNDICI_RESPONSE = 'undici:request:headers';

/** A request that carried workflow identity, and the run that its receiver handled it in. */
export interface AnsweredRun {
  /** As it was sent: which step, of which execution, made the request. */
  readonly workflow: WorkflowIdentity & { readonly executionId: string };
  /** What the receiver says; nobody has checked it. */
  readonly runId: string;
  /** The receiver says that there is an event of it: a reader must find it. */
  readonly recorded: boolean;
  /** Whom the request was sent to. */
  readonly host: string | undefined;
}

/**
 * Tells of every response with `X-Workflow-Run-Id` to a request of `node:http` or undici (`fetch`) that named an execution.
 *
 * The request itself says where it came from: what is active when a response arrives is the context of a connection. An
 * answer over HTTP/2, and to headers that `http.request` was given as an array, is not seen.
 *
 * @param listener is called before the response is handed to the caller. What it throws is logged (I5).
 * @returns the function that ends it.
 */
export function watchAnsweredRuns(listener: (answer: AnsweredRun) => void): () => void {
  const report = (find: () => AnsweredRun | undefined): void => {
    try {
      const answer = find();
      if (answer !== undefined) listener(answer);
    } catch (error) {
      logger.warn('who answered a request was not noted:', error); // I5: a throw here would end the process
    }
  };
  const onHttp = (message: unknown): void => report(() => fromHttp(message as HttpResponse));
  const onUndici = (message: unknown): void => report(() => fromUndici(message as UndiciResponse));
  subscribe(HTTP_RESPONSE, onHttp);
  subscribe(UNDICI_RESPONSE, onUndici);
  return () => {
    unsubscribe(HTTP_RESPONSE, onHttp);
    unsubscribe(UNDICI_RESPONSE, onUndici);
  };
}

interface HttpResponse {
  readonly request: ClientRequest;
  readonly response: IncomingMessage;
}

/** What we need of undici's. Headers are flat lists of names and values; those of the request one string in undici 5. */
interface UndiciResponse {
  readonly request: { readonly origin?: unknown; readonly headers?: unknown };
  readonly response: { readonly headers?: unknown };
}

type ReadHeader = (lowerCaseName: string) => unknown;

const RUN_ID = RUN_ID_HEADER.toLowerCase();
const RUN_RECORDED = RUN_RECORDED_HEADER.toLowerCase();

function fromHttp({ request, response }: HttpResponse): AnsweredRun | undefined {
  const read: ReadHeader = (lowerCaseName) => response.headers[lowerCaseName];
  return answered(read, (name) => request.getHeader(name), canonicalHost(request.host));
}

function fromUndici({ request, response }: UndiciResponse): AnsweredRun | undefined {
  const read: ReadHeader = (lowerCaseName) => readList(response.headers, lowerCaseName);
  const { headers, origin } = request;
  const sent = typeof headers === 'string' ? headers.split(/: |\r\n/) : headers;
  return answered(read, (lowerCaseName) => readList(sent, lowerCaseName), hostOfUrl(origin));
}

function answered(received: ReadHeader, sent: ReadHeader, host: string | undefined): AnsweredRun | undefined {
  const runId = parseRunId(received(RUN_ID));
  if (runId === undefined) return undefined;
  const workflow: Record<string, unknown> = {};
  for (const { key, header } of WORKFLOW_FIELDS) {
    const parse = key === 'attempt' ? parseAttempt : parseId;
    const value = parse(sent(header.toLowerCase()));
    if (value !== undefined) workflow[key] = value;
  }
  const { executionId } = workflow as WorkflowIdentity;
  if (executionId === undefined) return undefined;
  return { workflow: { ...workflow, executionId }, runId, recorded: received(RUN_RECORDED) === 'true', host };
}

/** The value of a header that is there once. Names and values are strings, or their bytes. */
function readList(list: unknown, lowerCaseName: string): unknown {
  if (!Array.isArray(list)) return undefined;
  let found: string | undefined;
  for (let i = 0; i + 1 < list.length; i += 2) {
    // By length first: this is asked of every response of the process.
    if (list[i].length !== lowerCaseName.length || String(list[i]).toLowerCase() !== lowerCaseName) continue;
    if (found !== undefined) return undefined;
    found = String(list[i + 1]);
  }
  return found;
}

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

function parseRunId(value: unknown): string | undefined {
  return typeof value === 'string' && UUID.test(value) ? value : undefined;
}
