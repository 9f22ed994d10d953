/** An answer that is none of "away for a moment". */
export interface Answer {
  readonly status: number;
  readonly bytes: Buffer;
}

const PATIENCE_MS = 60_000;
const BETWEEN_TRIES_MS = 100;
const CALL_LIMIT_MS = 20_000;

/** Calls the API of a server that is killed time and again: what breaks off, or is answered by 503, is called again. */
export class PatientClient {
  readonly #url: string;
  /** Answers of a server that failed in another way than by saying that it is away; there should be none. */
  readonly faults: string[] = [];

  constructor(url: string) {
    this.#url = url;
  }

  async json<T>(path: string): Promise<T> {
    const { status, bytes } = await this.call('GET', path);
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${bytes.toString().slice(0, 500)}`);
    return JSON.parse(bytes.toString()) as T;
  }

  post(path: string, body: unknown, headers: Record<string, string> = {}): Promise<Answer> {
    return this.call('POST', path, JSON.stringify(body), { 'content-type': 'application/json', ...headers });
  }

  async call(
    method: string,
    path: string,
    body?: string,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const deadline = Date.now() + PATIENCE_MS;
    for (;;) {
      try {
        const signal = AbortSignal.timeout(CALL_LIMIT_MS);
        const init = { method, headers, signal, ...(body === undefined ? {} : { body }) };
        const response = await fetch(this.#url + path, init);
        const bytes = Buffer.from(await response.arrayBuffer());
        if (response.status < 500) return { status: response.status, bytes };
        if (response.status !== 503) {
          this.faults.push(`${method} ${path}: ${response.status} ${bytes.toString().slice(0, 500)}`);
        }
      } catch (error) {
        if (Date.now() > deadline) throw error;
      }
      if (Date.now() > deadline) throw new Error(`${method} ${path}: the server stays away`);
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_TRIES_MS));
    }
  }
}
