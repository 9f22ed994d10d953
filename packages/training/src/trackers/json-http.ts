import { setTimeout as delay } from 'node:timers/promises';

/** The server has answered that it does not do it; to ask again would not help. */
export class HttpRefused extends Error {
  override readonly name = 'HttpRefused';
  readonly status: number;
  /** What the server calls it, where it says so. */
  readonly code: string;

  constructor(status: number, code: string, message: string) {
    super(code === '' ? `${status}: ${message}` : `${status} ${code}: ${message}`);
    this.status = status;
    this.code = code;
  }
}

/** No server has answered, or one that says that it cannot now, for as long as was waited. */
export class HttpUnreachable extends Error {
  override readonly name = 'HttpUnreachable';
}

/** How long a call may take. */
export interface Patience {
  /** One try. */
  readonly timeoutMs: number;
  /** From the first try to the beginning of the last. */
  readonly retryMs: number;
}

type Body = string | Uint8Array<ArrayBuffer>;

/** Answers that say that the same call may succeed later. */
const PASSING = new Set([408, 429, 500, 502, 503, 504]);
const FIRST_WAIT_MS = 200;
const LONGEST_WAIT_MS = 10_000;

/** Calls of an HTTP server that speaks JSON. What may be said twice is said again until it is heard. */
export class JsonHttp {
  readonly #address: string;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #patience: Patience;

  /** @throws RangeError when it is no address of a server */
  constructor(address: string, headers: Readonly<Record<string, string>>, patience: Patience) {
    const url = URL.canParse(address) ? new URL(address) : undefined;
    if (url === undefined || !/^https?:$/.test(url.protocol)) {
      throw new RangeError(`"${address}" is no address of a server; it begins with http:// or https://.`);
    }
    const login = url.username === '' ? {} : { authorization: basic(url.username, url.password) };
    [url.username, url.password, url.search, url.hash] = ['', '', '', ''];
    this.#address = url.href.replace(/\/+$/, '');
    this.#headers = { accept: 'application/json', ...login, ...headers };
    this.#patience = patience;
  }

  /** @throws HttpRefused, HttpUnreachable */
  get<T>(path: string, query: Readonly<Record<string, string>>): Promise<T> {
    return this.#call<T>('GET', `${path}?${new URLSearchParams(query)}`, undefined);
  }

  /** @throws HttpRefused, HttpUnreachable */
  post<T>(path: string, body: object): Promise<T> {
    return this.#call<T>('POST', path, JSON.stringify(body));
  }

  /** Bytes under a path. @throws HttpRefused, HttpUnreachable */
  put(path: string, body: Uint8Array<ArrayBuffer>): Promise<unknown> {
    return this.#call('PUT', path, body);
  }

  async #call<T>(method: string, path: string, body: Body | undefined): Promise<T> {
    const began = performance.now();
    for (let wait = FIRST_WAIT_MS; ; wait = Math.min(LONGEST_WAIT_MS, wait * 2)) {
      const { passing, afterMs = 0, answer } = await this.#try<T>(method, path, body);
      if (passing === undefined) return answer as T;
      wait = Math.max(wait, afterMs);
      if (performance.now() - began + wait > this.#patience.retryMs)
        throw new HttpUnreachable(`${method} ${this.#address}${path}: ${passing}`);
      await delay(wait);
    }
  }

  /** What it has answered, or why the same call may succeed later. */
  async #try<T>(
    method: string,
    path: string,
    body: Body | undefined,
  ): Promise<{ answer?: T; passing?: string; afterMs?: number }> {
    const isJson = typeof body === 'string';
    let response: Response;
    let text: string;
    try {
      response = await fetch(`${this.#address}${path}`, {
        method,
        headers: { ...this.#headers, ...(isJson && { 'content-type': 'application/json' }) },
        ...(body !== undefined && { body }),
        signal: AbortSignal.timeout(this.#patience.timeoutMs),
      });
      text = await response.text();
    } catch (error) {
      return { passing: causeOf(error) };
    }
    if (response.ok) return { answer: this.#parsed<T>(text, path) };
    const { code, message } = saidIn(text, response.statusText);
    if (!PASSING.has(response.status)) throw new HttpRefused(response.status, code, message);
    const afterMs = Number(response.headers.get('retry-after') ?? 0) * 1000;
    return { passing: `${response.status} ${message}`, afterMs: Math.min(LONGEST_WAIT_MS, afterMs || 0) };
  }

  #parsed<T>(text: string, path: string): T {
    try {
      return (text.trim() === '' ? {} : JSON.parse(text)) as T;
    } catch {
      throw new HttpRefused(
        200,
        '',
        `${this.#address}${path} has answered what is no JSON; is it the right address?`,
      );
    }
  }
}

/** The header for a name and a password (RFC 7617). */
export function basic(user: string, password: string): string {
  const login = `${decodeURIComponent(user)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(login).toString('base64')}`;
}

/** Code and message of MLflow's errors, and of Trainyard's own. */
function saidIn(text: string, reason: string): { code: string; message: string } {
  try {
    const body = JSON.parse(text) as Record<string, unknown>;
    const inner = (
      typeof body['error'] === 'object' && body['error'] !== null ? body['error'] : body
    ) as Record<string, unknown>;
    return {
      code: String(inner['error_code'] ?? inner['code'] ?? ''),
      message: String(inner['message'] ?? reason),
    };
  } catch {
    return { code: '', message: text.slice(0, 500) || reason };
  }
}

/** `fetch` hides why it has failed in the cause. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error ? error.cause.message : error.message;
}
