import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface ChatRequest {
  readonly messages: readonly { readonly role: string; readonly content: string }[];
  readonly stream?: boolean;
}

const ANSWER = { id: 'chatcmpl-1', created: 1_700_000_000, model: 'gpt-4o-2024-08-06' };

/** A real HTTP server that answers `/v1/chat/completions` in the forms that OpenAI documents, always the same. */
export class OpenAiServer {
  /** What it was asked, in order. */
  readonly requests: ChatRequest[] = [];
  readonly #server: Server;

  private constructor(answer: string) {
    this.#server = createServer(async (request, response) => {
      const body = JSON.parse(Buffer.concat(await request.toArray()).toString()) as ChatRequest;
      if (request.method !== 'POST' || request.url !== '/v1/chat/completions') return response.writeHead(404).end();
      this.requests.push(body);
      response.setHeader('Content-Type', body.stream ? 'text/event-stream' : 'application/json');
      return response.end(body.stream ? inPieces(answer) : whole(answer));
    });
  }

  static async start(answer: string): Promise<OpenAiServer> {
    const server = new OpenAiServer(answer);
    server.#server.listen(0, '127.0.0.1');
    await once(server.#server, 'listening');
    return server;
  }

  /** For an application that asks it, as OpenAI's client reads it. */
  env(key: string): Record<string, string> {
    const { port } = this.#server.address() as AddressInfo;
    return { OPENAI_BASE_URL: `http://127.0.0.1:${port}/v1`, OPENAI_API_KEY: key };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

function whole(content: string): string {
  const message = { role: 'assistant', content, refusal: null };
  return JSON.stringify({
    ...ANSWER,
    object: 'chat.completion',
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
    usage: { prompt_tokens: 21, completion_tokens: 4, total_tokens: 25 },
  });
}

function inPieces(answer: string): string {
  const pieces = [{ role: 'assistant', content: '' }, ...answer.split(/(?= )/).map((content) => ({ content })), {}];
  const chunks = pieces.map((delta, i) => ({
    ...ANSWER,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: i === pieces.length - 1 ? 'stop' : null }],
  }));
  return [...chunks.map((chunk) => JSON.stringify(chunk)), '[DONE]'].map((data) => `data: ${data}\n\n`).join('');
}
