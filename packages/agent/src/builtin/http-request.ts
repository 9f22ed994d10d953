import type { HttpDefinition } from '@trainyard/protocol';
import { HTTP_LIMITS } from '@trainyard/protocol/plain';
import { PRODUCT_LIMITS } from '../attempt/product-limits.ts';
import { type BuiltinAttempt, BuiltinFailure, messageOf } from './attempt.ts';
import { jsonPointer } from './json-pointer.ts';

type Request = Omit<HttpDefinition, 'queue' | 'grace'>;

/** The program of an `http` stage: one request; status, headers and body of its answer become outputs. */
export async function httpRequest(attempt: BuiltinAttempt): Promise<Record<string, unknown>> {
  const request = attempt.spec.builtin!.input as unknown as Request;
  const url = withQuery(request);
  const signal = AbortSignal.timeout(request.timeout);
  attempt.log(`${request.method} ${withoutSecrets(url)}`);
  const started = performance.now();
  const { response, bytes } = await exchange(request, url, attempt.spec.runId, signal);
  attempt.log(
    `${response.status}, ${bytes.length} bytes after ${Math.round(performance.now() - started)} ms`,
  );
  const body = readBody(bytes, response.headers.get('content-type') ?? '');
  if (!request.expectStatus.some(([first, last]) => response.status >= first && response.status <= last)) {
    const excerpt = bytes.length === 0 ? '' : `\n${text(bytes).slice(0, MAX_EXCERPT)}`;
    const message = `${request.method} ${withoutSecrets(url)} answered ${response.status}; expected ${expected(request)}${excerpt}`;
    throw new BuiltinFailure('http_status', message);
  }
  return outputsOf(attempt, request, { response, body });
}

const MAX_EXCERPT = 500;

interface Answer {
  readonly response: Response;
  readonly body: unknown;
}

function outputsOf(
  attempt: BuiltinAttempt,
  request: Request,
  { response, body }: Answer,
): Record<string, unknown> {
  const headers = Object.fromEntries(
    request.responseHeaders.map((name) => [name.toLowerCase(), response.headers.get(name)]),
  );
  const mapped = Object.entries(request.outputs).map(([name, pointer]) => {
    const found = jsonPointer(body, pointer);
    if (found !== undefined) return [name, found];
    const message = `the answer has nothing at "${pointer}", which output "${name}" is to hold`;
    throw new BuiltinFailure('http_output_missing', message);
  });
  const outputs = { ...Object.fromEntries(mapped), status: response.status, headers };
  const whole = { ...outputs, body };
  if (Buffer.byteLength(JSON.stringify(whole)) <= PRODUCT_LIMITS.outputsBytes) return whole;
  attempt.log(
    `The body is left out of the outputs, which have at most ${PRODUCT_LIMITS.outputsBytes} bytes.`,
  );
  return { ...outputs, body: null };
}

/**
 * Sends the request and follows redirects by itself: to another origin nothing of the user's headers goes
 * along, because they may hold what only the first server may know.
 */
async function exchange(
  request: Request,
  first: URL,
  runId: string,
  signal: AbortSignal,
): Promise<{ response: Response; bytes: Buffer }> {
  let url = first;
  let { method } = request;
  const payload = request.json === undefined ? request.body : JSON.stringify(request.json);
  let body = payload;
  let headers = requestHeaders(request, runId);
  for (let redirects = 0; ; redirects += 1) {
    const response = await send(
      url,
      { method, headers, body: body ?? null, redirect: 'manual', signal },
      request,
    );
    const location = response.headers.get('location');
    if (!request.followRedirects || location === null || !REDIRECTS.has(response.status)) {
      return { response, bytes: await readBytes(response, url, request) };
    }
    if (redirects === HTTP_LIMITS.maxRedirects) {
      throw new BuiltinFailure(
        'http_redirect',
        `${withoutSecrets(first)} led to more than ${redirects} redirects`,
      );
    }
    await response.body?.cancel();
    const next = nextAddress(location, url);
    // As browsers do it: 303 asks for the other page, 301 and 302 turn a POST into a GET.
    if (response.status === 303 || (response.status <= 302 && method === 'POST')) {
      if (method !== 'HEAD') method = 'GET';
      body = undefined;
      headers.delete('content-type');
    }
    if (next.origin !== url.origin) {
      if (body !== undefined) {
        const message = `${withoutSecrets(url)} redirects to another server (${next.origin}); the body of the request is not sent there`;
        throw new BuiltinFailure('http_redirect', message);
      }
      headers = new Headers();
    }
    url = next;
  }
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

function nextAddress(location: string, from: URL): URL {
  const next = URL.canParse(location, from.href) ? new URL(location, from) : undefined;
  if (next?.protocol === 'http:' || next?.protocol === 'https:') return next;
  throw new BuiltinFailure('http_redirect', `${withoutSecrets(from)} redirects to "${location}"`);
}

/** A key that is the same for every try of a stage, so that a server can tell a retry from a new request. */
function requestHeaders({ method, headers, json }: Request, runId: string): Headers {
  const all = new Headers(headers);
  if (json !== undefined && !all.has('content-type')) all.set('content-type', 'application/json');
  const changes = method !== 'GET' && method !== 'HEAD' && method !== 'OPTIONS';
  if (changes && !all.has('idempotency-key')) all.set('idempotency-key', runId);
  return all;
}

async function send(url: URL, init: RequestInit, request: Request): Promise<Response> {
  try {
    return await fetch(url, init);
  } catch (error) {
    throw unreachable(error, url, request);
  }
}

async function readBytes(response: Response, url: URL, request: Request): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  try {
    for await (const chunk of response.body ?? []) {
      size += chunk.length;
      if (size > HTTP_LIMITS.maxResponseBytes) break;
      chunks.push(chunk);
    }
  } catch (error) {
    throw unreachable(error, url, request);
  }
  if (size <= HTTP_LIMITS.maxResponseBytes) return Buffer.concat(chunks);
  const message = `the answer of ${withoutSecrets(url)} has more than ${HTTP_LIMITS.maxResponseBytes} bytes; fetch large data by a job`;
  throw new BuiltinFailure('http_body_too_large', message);
}

function unreachable(error: unknown, url: URL, request: Request): BuiltinFailure {
  const isTimeout = error instanceof Error && error.name === 'TimeoutError';
  const { cause } = error as { cause?: { code?: unknown; message?: unknown } };
  if (cause?.message === 'bad port') {
    const message = `port ${url.port} of ${url.host} belongs to another protocol, and HTTP requests to it are blocked (https://fetch.spec.whatwg.org/#port-blocking); let the server listen at another port`;
    return new BuiltinFailure('http_address', message, { cause: error });
  }
  const why = isTimeout
    ? `no whole answer within ${request.timeout} ms`
    : (brokenBy(cause) ?? messageOf(error));
  const message = `${request.method} ${withoutSecrets(url)}: ${why}`;
  return new BuiltinFailure('http_unreachable', message, { cause: error });
}

/** The system's code, such as ECONNREFUSED, says it best; those of the HTTP client nobody knows. */
function brokenBy(cause: { code?: unknown; message?: unknown } | undefined): string | undefined {
  const { code, message } = cause ?? {};
  if (code === 'UND_ERR_SOCKET') return 'the server closed the connection before its answer was whole';
  const told = typeof code === 'string' && !code.startsWith('UND_ERR_') ? code : message;
  return told === undefined ? undefined : String(told);
}

function withQuery({ url, query }: Request): URL {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || !/^https?:$/.test(parsed.protocol)) {
    throw new BuiltinFailure(
      'http_address',
      `"${url}" is not an address; it begins with http:// or https://`,
    );
  }
  for (const [name, value] of Object.entries(query)) parsed.searchParams.append(name, value);
  if (parsed.username !== '' || parsed.password !== '') {
    const message = `the address of ${parsed.host} holds a login; send it in an "Authorization" header`;
    throw new BuiltinFailure('http_address', message);
  }
  return parsed;
}

/** Address for the log: what stands in a query may be a key. */
function withoutSecrets(url: URL): string {
  return `${url.origin}${url.pathname}${url.search === '' ? '' : '?…'}`;
}

/** JSON as its value, other text as text, anything else not at all. */
function readBody(bytes: Buffer, contentType: string): unknown {
  if (bytes.length === 0) return null;
  if (/[/+]json\b/i.test(contentType)) {
    try {
      return JSON.parse(text(bytes));
    } catch {
      return text(bytes);
    }
  }
  return /^text\/|xml|javascript|urlencoded/i.test(contentType) ? text(bytes) : null;
}

function text(bytes: Buffer): string {
  return bytes.toString('utf8').replaceAll('\0', '\ufffd');
}

function expected({ expectStatus }: Request): string {
  return expectStatus.map(([first, last]) => (first === last ? first : `${first}-${last}`)).join(', ');
}
