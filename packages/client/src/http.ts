import { type ErrorCode, isErrorCode, TrainyardError } from '@trainyard/protocol';

export interface ConnectionOptions {
  /** Address of the server, for example http://127.0.0.1:7070. */
  readonly url: string;
  /** Sent as `Authorization: Bearer …`; a server that is open on loopback needs none. */
  readonly token?: string | undefined;
  /** Stands in for the global `fetch`. */
  readonly fetch?: typeof fetch | undefined;
}

export type QueryValue = string | number | boolean | undefined | readonly (string | number)[];

export interface HttpRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  readonly query?: Readonly<Record<string, QueryValue>>;
  readonly json?: unknown;
  /** A body of bytes, instead of JSON. */
  readonly bytes?: Uint8Array;
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Sends a request and gives the answer if it is a success.
 * @throws TrainyardError with the server's own code, or SERVER_UNREACHABLE naming the address
 */
export async function send(connection: ConnectionOptions, request: HttpRequest): Promise<Response> {
  const headers: Record<string, string> = { accept: 'application/json', ...request.headers };
  if (connection.token !== undefined) headers['authorization'] = `Bearer ${connection.token}`;
  if (request.json !== undefined) headers['content-type'] = 'application/json';
  if (request.bytes !== undefined) headers['content-type'] = 'application/octet-stream';
  const body = request.json === undefined ? request.bytes : JSON.stringify(request.json);
  const call = connection.fetch ?? globalThis.fetch;
  const url = baseUrl(connection.url) + request.path + queryText(request.query);
  let response: Response;
  try {
    response = await call(url, {
      method: request.method ?? 'GET',
      headers,
      ...(body === undefined ? {} : { body: body as string | Uint8Array<ArrayBuffer> }),
      ...(request.signal === undefined ? {} : { signal: request.signal }),
    });
  } catch (error) {
    request.signal?.throwIfAborted();
    throw unreachable(connection.url, error);
  }
  if (!response.ok) throw await errorOf(response, url);
  return response;
}

/** As `send`, for answers of JSON. The shape is that of the schemas in `protocol`; it is not checked again. */
export async function sendForJson<T>(connection: ConnectionOptions, request: HttpRequest): Promise<T> {
  const response = await send(connection, request);
  try {
    return (await response.json()) as T;
  } catch (error) {
    request.signal?.throwIfAborted();
    // A body that breaks off is a lost connection; text that is not JSON comes from some other server.
    if (!(error instanceof SyntaxError)) throw unreachable(connection.url, error);
    throw new TrainyardError(
      'SERVER_UNREACHABLE',
      `${connection.url} answered ${request.path} with something that is not JSON: is this a Trainyard server?`,
      { cause: error },
    );
  }
}

export function baseUrl(url: string): string {
  return url.replace(/\/+$/, '');
}

function queryText(query: HttpRequest['query']): string {
  const pairs: [string, string][] = [];
  for (const [name, value] of Object.entries(query ?? {})) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== undefined) pairs.push([name, String(each)]);
    }
  }
  return pairs.length === 0 ? '' : `?${new URLSearchParams(pairs).toString()}`;
}

function unreachable(url: string, error: unknown): TrainyardError {
  return new TrainyardError(
    'SERVER_UNREACHABLE',
    `No Trainyard server answered at ${url} (${reasonOf(error)}). Check the address, or start one with: trainyard up`,
    { cause: error },
  );
}

/** The system's own reason, which `fetch` hides in the cause of "fetch failed". */
function reasonOf(error: unknown): string {
  let reason = error;
  while (reason instanceof Error && reason.cause instanceof Error) reason = reason.cause;
  if (!(reason instanceof Error)) return String(reason);
  const code = (reason as { code?: unknown }).code;
  return typeof code === 'string' ? code : reason.message;
}

async function errorOf(response: Response, url: string): Promise<TrainyardError> {
  const text = await response.text().catch(() => '');
  try {
    const { error } = JSON.parse(text) as {
      error?: { code?: unknown; message?: unknown; details?: unknown };
    };
    if (isErrorCode(error?.code) && typeof error.message === 'string') {
      return new TrainyardError(error.code, error.message, { details: error.details });
    }
  } catch {
    // Not ours: a proxy, or another program on the port.
  }
  return new TrainyardError(
    codeOfStatus(response.status),
    `${url} answered ${response.status} ${response.statusText}, not in the form of a Trainyard server`,
  );
}

function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return 'UNAUTHENTICATED';
  if (status === 403) return 'FORBIDDEN';
  if (status === 404) return 'NOT_FOUND';
  if (status === 413) return 'TOO_LARGE';
  if (status === 429) return 'TOO_MANY_REQUESTS';
  return status === 502 || status === 503 || status === 504 ? 'UNAVAILABLE' : 'INTERNAL';
}
