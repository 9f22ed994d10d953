import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import { TrainyardError, VERSION } from '@trainyard/protocol/plain';
import { messageOf } from '../dataset-error.ts';
import { type AddressGuard, AddressRefused, guardedLookup, refusePrivateLiteral } from './address-guard.ts';
import { FETCH_LIMITS, type ResolvedFetchOptions } from './fetch-options.ts';

export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  /** Where redirects led to. */
  readonly url: URL;
  /** Headers of the answer that redirected first, such as those by which Hugging Face tells a hash. */
  readonly firstHeaders: Readonly<Record<string, string | undefined>>;
  /** Destroyed when it stalls. */
  readonly body: IncomingMessage;
}

/** Something that may be better next time. */
export class TransferFault extends Error {
  override readonly name = 'TransferFault';
}

/**
 * One GET with its redirects. Every address is checked, also those that redirects lead to; credentials go to
 * the first host only.
 * @throws TransferFault, TrainyardError DATASET_REFUSED, DATASET_FETCH_FAILED
 */
export async function httpGet(
  first: URL,
  headers: Readonly<Record<string, string>>,
  options: ResolvedFetchOptions,
  signal?: AbortSignal,
): Promise<HttpAnswer> {
  let url = first;
  let firstHeaders: HttpAnswer['firstHeaders'] | undefined;
  for (let hop = 0; hop <= FETCH_LIMITS.redirects; hop += 1) {
    const sent =
      url.host === first.host && url.protocol === first.protocol ? headers : withoutCredentials(headers);
    const body = await getOnce(url, sent, options, signal);
    const found = flatHeaders(body);
    firstHeaders ??= found;
    const status = body.statusCode ?? 0;
    const { location } = found;
    if (![301, 302, 303, 307, 308].includes(status) || location === undefined) {
      return { status, headers: found, url, firstHeaders, body };
    }
    body.destroy();
    url = nextUrl(url, location);
  }
  throw new TrainyardError(
    'DATASET_FETCH_FAILED',
    `${shownUrl(first)} redirects more than ${FETCH_LIMITS.redirects} times.`,
  );
}

/** Without what may be a secret: addresses are signed by their query. */
export function shownUrl(url: URL): string {
  return `${url.protocol}//${url.host}${url.pathname}${url.search === '' ? '' : '?…'}`;
}

function nextUrl(from: URL, location: string): URL {
  if (!URL.canParse(location, from.href)) {
    throw new TrainyardError(
      'DATASET_FETCH_FAILED',
      `${shownUrl(from)} redirects to something that is no URL.`,
    );
  }
  const next = new URL(location, from.href);
  const isDowngrade = from.protocol === 'https:' && next.protocol === 'http:';
  if ((next.protocol !== 'http:' && next.protocol !== 'https:') || isDowngrade) {
    throw new TrainyardError(
      'DATASET_REFUSED',
      `${shownUrl(from)} redirects to ${next.protocol}//, which is not followed.`,
    );
  }
  return next;
}

function withoutCredentials(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(?:authorization|cookie|x-amz-.*)$/i.test(name)),
  );
}

function getOnce(
  url: URL,
  headers: Readonly<Record<string, string>>,
  options: ResolvedFetchOptions,
  signal?: AbortSignal,
): Promise<IncomingMessage> {
  const guard: AddressGuard = {
    privateHosts: options.privateHosts,
    howToAllow: (host) => `allow it by --allow-private-hosts ${host} if datasets shall be read from there`,
  };
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => reject(connectFailure(url, error, signal));
    try {
      refusePrivateLiteral(url, guard);
    } catch (error) {
      return fail(error);
    }
    const call = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const request = call(url, {
      method: 'GET',
      agent: false,
      lookup: guardedLookup(guard),
      signal,
      headers: {
        accept: '*/*',
        'accept-encoding': 'identity',
        'user-agent': `trainyard/${VERSION}`,
        ...headers,
      },
    });
    const connecting = setTimeout(() => {
      request.destroy(new TransferFault(`no connection within ${options.connectTimeoutMs / 1000} s`));
    }, options.connectTimeoutMs);
    request.once('socket', (socket: Socket) => {
      const connected = url.protocol === 'https:' ? 'secureConnect' : 'connect';
      socket.once(connected, () => clearTimeout(connecting));
    });
    request.setTimeout(options.stallTimeoutMs, () => {
      request.destroy(new TransferFault(`no byte within ${options.stallTimeoutMs / 1000} s`));
    });
    request.once('error', (error) => {
      clearTimeout(connecting);
      fail(error);
    });
    request.once('response', (response) => {
      clearTimeout(connecting);
      // What breaks from here on is seen by who reads the body.
      request.on('error', () => {});
      resolve(response);
    });
    request.end();
  });
}

function connectFailure(url: URL, error: unknown, signal?: AbortSignal): unknown {
  if (signal?.aborted === true) return signal.reason;
  const refusal = [error, (error as { cause?: unknown }).cause].find(
    (cause) => cause instanceof AddressRefused,
  );
  if (refusal !== undefined) return new TrainyardError('DATASET_REFUSED', messageOf(refusal));
  const inner = error instanceof AggregateError ? error.errors[0] : error;
  return new TransferFault(`${url.host}: ${messageOf(inner)}`, { cause: error });
}

function flatHeaders({ headers }: IncomingMessage): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => [name, Array.isArray(value) ? value.join(', ') : value]),
  );
}
