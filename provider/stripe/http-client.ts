import { AsyncLocalStorage } from 'node:async_hooks';
import { Agent as HttpAgent, request as httpRequest } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http';
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https';
import type { Stripe } from 'stripe';

const MAX_ANSWER_BYTES = 8 * 1024 * 1024;

/** What one call to the provider knows beside its result; the client fills in status and headers. */
export type CallContext = {
  readonly signal: AbortSignal | undefined;
  status: number | null;
  headers: IncomingHttpHeaders;
  timedOut: boolean;
};

export const callContext = new AsyncLocalStorage<CallContext>();

type Body = Record<string, unknown>;

/**
 * The SDK's transport, for three things its own client does not do: exactly one attempt (the SDK repeats after
 * ECONNRESET and EPIPE even with `maxNetworkRetries: 0`), one deadline over connecting, waiting and the whole body,
 * and bodies that are no JSON object refused before the SDK trips over them.
 */
export function createHttpClient(): Stripe.HttpClient {
  const plainAgent = new HttpAgent({ keepAlive: true });
  const tlsAgent = new HttpsAgent({ keepAlive: true });
  return {
    getClientName: () => 'node',
    makeRequest: async (host, port, path, method, headers, requestData, protocol, timeout) => {
      const context = callContext.getStore();
      const deadline = AbortSignal.timeout(timeout);
      const signal = context?.signal ? AbortSignal.any([deadline, context.signal]) : deadline;
      const options = { host, port, path, method, headers, signal };
      try {
        const { answer, text } = await new Promise<{ answer: IncomingMessage; text: string }>(
          (resolve, reject) => {
            const onAnswer = (incoming: IncomingMessage): void => {
              readText(incoming).then((body) => resolve({ answer: incoming, text: body }), reject);
            };
            const sent =
              protocol === 'http'
                ? httpRequest({ ...options, agent: plainAgent }, onAnswer)
                : httpsRequest({ ...options, agent: tlsAgent }, onAnswer);
            sent.on('error', reject);
            sent.end(requestData);
          },
        );
        return describeAnswer(answer, text, context);
      } catch (cause) {
        if (context) context.timedOut = signal.aborted;
        // An error without a code is one that the SDK does not repeat.
        throw new Error('The connection to the provider failed', { cause });
      }
    },
  };
}

async function readText(answer: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > MAX_ANSWER_BYTES) throw new Error('The answer of the provider is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString('utf8');
}

function describeAnswer(
  answer: IncomingMessage,
  text: string,
  context: CallContext | undefined,
): Stripe.HttpClientResponse {
  const status = answer.statusCode ?? 0;
  if (context) {
    context.status = status;
    context.headers = answer.headers;
  }
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(answer.headers)) if (value !== undefined) headers[name] = value;
  return {
    getStatusCode: () => status,
    getHeaders: () => headers,
    getRawResponse: () => ({ headers, statusCode: status }),
    toStream: () => {
      throw new Error('Streamed answers are not used');
    },
    toJSON: async () => readBody(status, text),
  };
}

/** Throws for what is neither a Stripe object nor a Stripe error; a 5xx is one whatever its body says. */
function readBody(status: number, text: string): Body {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = null;
  }
  const success = status >= 200 && status < 300;
  if (success && isObject(body) && !('error' in body)) return body;
  if (!success && isObject(body) && isObject(body['error'])) return body;
  if (status >= 500)
    return { error: { type: 'api_error', message: `HTTP ${status} without a Stripe error` } };
  throw new Error(`HTTP ${status} with a body that is no Stripe answer`);
}

function isObject(value: unknown): value is Body {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
