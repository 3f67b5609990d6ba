import { once } from 'node:events';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Message {
  readonly role: string;
  readonly content: string;
}

interface OpenAiRequest {
  /** Of `/v1/chat/completions`. */
  readonly messages?: readonly Message[];
  /** Of `/v1/responses`. */
  readonly input?: string;
  readonly stream?: boolean;
}

const MODEL = 'gpt-4o-2024-08-06';
const COMPLETION = { id: 'chatcmpl-1', created: 1_700_000_000, model: MODEL };

/** The endpoints, each with its two forms of an answer. */
const ANSWERS: Readonly<Record<string, { whole(answer: string): object; inPieces(answer: string): string }>> = {
  '/v1/chat/completions': { whole: completion, inPieces: completionInPieces },
  '/v1/responses': { whole: response, inPieces: responseInPieces },
};

/** A real HTTP server that answers in the forms that OpenAI documents, always the same. */
export class OpenAiServer {
  /** The questions, in order. */
  readonly questions: string[] = [];
  readonly #server: Server;

  private constructor(answer: string) {
    this.#server = createServer(async (request, reply) => {
      const { messages, input, stream } = JSON.parse(
        Buffer.concat(await request.toArray()).toString(),
      ) as OpenAiRequest;
      const answers = request.method === 'POST' ? ANSWERS[request.url!] : undefined;
      if (answers === undefined) return reply.writeHead(404).end();
      this.questions.push(input ?? messages!.at(-1)!.content);
      reply.setHeader('Content-Type', stream ? 'text/event-stream' : 'application/json');
      return reply.end(stream ? answers.inPieces(answer) : JSON.stringify(answers.whole(answer)));
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

function completion(content: string): object {
  const message = { role: 'assistant', content, refusal: null };
  return {
    ...COMPLETION,
    object: 'chat.completion',
    choices: [{ index: 0, message, logprobs: null, finish_reason: 'stop' }],
    usage: { prompt_tokens: 21, completion_tokens: 4, total_tokens: 25 },
  };
}

function completionInPieces(answer: string): string {
  const pieces = [{ role: 'assistant', content: '' }, ...words(answer).map((content) => ({ content })), {}];
  const chunks = pieces.map((delta, i) => ({
    ...COMPLETION,
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: i === pieces.length - 1 ? 'stop' : null }],
  }));
  return [...chunks.map((chunk) => JSON.stringify(chunk)), '[DONE]'].map((data) => `data: ${data}\n\n`).join('');
}

const OUTPUT_PLACE = { item_id: 'msg_1', output_index: 0, content_index: 0 };

function outputMessage(text: string): object {
  const content = [{ type: 'output_text', text, annotations: [] }];
  return { id: 'msg_1', type: 'message', status: 'completed', role: 'assistant', content };
}

function response(answer: string): object {
  return {
    id: 'resp_1',
    object: 'response',
    created_at: 1_700_000_000,
    status: 'completed',
    model: MODEL,
    output: [outputMessage(answer)],
    usage: { input_tokens: 21, output_tokens: 4, total_tokens: 25 },
  };
}

function responseInPieces(answer: string): string {
  const events = [
    { type: 'response.created', response: { ...response(answer), status: 'in_progress', output: [] } },
    ...words(answer).map((delta) => ({ type: 'response.output_text.delta', ...OUTPUT_PLACE, delta })),
    { type: 'response.output_item.done', output_index: 0, item: outputMessage(answer) },
    { type: 'response.completed', response: response(answer) },
  ];
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
}

function words(answer: string): string[] {
  return answer.split(/(?= )/);
}
