export interface ExchangeRequest {
  readonly url: string;
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string | undefined;
  readonly signal: AbortSignal;
}

export interface Exchanged {
  readonly status: number;
  readonly text: string;
  /** The header of that name. */
  readonly retryAfter: string | null;
}

/** One request over HTTP and its whole answer. @throws when there is none, or the signal's reason */
export type Exchange = (request: ExchangeRequest) => Promise<Exchanged>;

/** By the platform's own means: copies each body, which counts where megabytes are sent. */
export const fetchExchange: Exchange = async ({ url, body, ...request }) => {
  const response = await fetch(url, {
    ...request,
    ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> | string }),
  });
  return {
    status: response.status,
    text: await response.text(),
    retryAfter: response.headers.get('retry-after'),
  };
};
