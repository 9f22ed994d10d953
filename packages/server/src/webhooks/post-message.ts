import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { guardedLookup, type PrivateHosts, refusePrivateLiteral } from '@trainyard/datasets';
import { VERSION, WEBHOOK_LIMITS } from '@trainyard/protocol';
import { targetGuard } from './target-guard.ts';

/** From the first look-up to the last byte that is read. */
export const POST_TIMEOUT_MS = 15_000;

/** What came of one attempt. */
export interface PostResult {
  /** Null when no answer came. */
  readonly status: number | null;
  /** The first part of the answer's body. */
  readonly body: string | null;
  /** Set when there was no answer. */
  readonly error: string | null;
  /** What the receiver asked for by `Retry-After` in seconds. */
  readonly retryAfterMs: number | null;
  readonly durationMs: number;
}

/**
 * Sends one message to a webhook's address. Redirects are not followed, private addresses refused, answers
 * read up to a limit. Never rejects: what went wrong is the result.
 */
export async function postMessage(options: {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly privateHosts: PrivateHosts;
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}): Promise<PostResult> {
  const startedAt = performance.now();
  const durationMs = (): number => Math.round(performance.now() - startedAt);
  const timeoutMs = options.timeoutMs ?? POST_TIMEOUT_MS;
  const timeout = AbortSignal.timeout(timeoutMs);
  const signal = options.signal === undefined ? timeout : AbortSignal.any([timeout, options.signal]);
  try {
    const { response, body } = await exchange(options, signal);
    return {
      status: response.statusCode ?? null,
      body,
      error: null,
      retryAfterMs: retryAfter(response.headers['retry-after']),
      durationMs: durationMs(),
    };
  } catch (error) {
    const reason = timeout.aborted ? `no answer within ${timeoutMs / 1000} s` : reasonOf(error);
    return { status: null, body: null, error: reason, retryAfterMs: null, durationMs: durationMs() };
  }
}

function exchange(
  { url: text, headers, body, privateHosts }: Parameters<typeof postMessage>[0],
  signal: AbortSignal,
): Promise<{ response: IncomingMessage; body: string }> {
  return new Promise((resolve, reject) => {
    const url = new URL(text);
    const guard = targetGuard(privateHosts);
    refusePrivateLiteral(url, guard);
    const call = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = call(
      url,
      {
        method: 'POST',
        agent: false,
        lookup: guardedLookup(guard),
        signal,
        headers: {
          'content-type': 'application/json',
          'content-length': Buffer.byteLength(body),
          'user-agent': `trainyard/${VERSION}`,
          ...headers,
        },
      },
      (response) => {
        readStart(response).then((start) => resolve({ response, body: start }), reject);
      },
    );
    request.on('error', reject);
    request.end(body);
  });
}

/** The first bytes of an answer; the connection is cut when more come. */
async function readStart(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk);
    size += chunk.length;
    if (size >= WEBHOOK_LIMITS.responseBytes) break;
  }
  response.destroy();
  const bytes = Buffer.concat(chunks).subarray(0, WEBHOOK_LIMITS.responseBytes);
  // Whatever it is, it has to be text that the database can hold.
  return new TextDecoder().decode(bytes).replaceAll('\0', '\ufffd');
}

function retryAfter(header: string | undefined): number | null {
  return header !== undefined && /^\d{1,6}$/.test(header) ? Number(header) * 1000 : null;
}

function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  // Several addresses were tried: the first failure stands for all.
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error;
  return first instanceof Error && first.message !== '' ? first.message : error.name;
}
