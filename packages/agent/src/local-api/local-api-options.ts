import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';
import { TrainyardError } from '@trainyard/protocol';
import { ApiError } from './api-error.ts';

export interface LocalApiOptions {
  /** 0 for any free one. */
  readonly port: number;
  /** Default 127.0.0.1; beyond loopback a token is needed. */
  readonly host: string;
  /** Every request but /health has to carry it. */
  readonly token: string | undefined;
  /** What becomes of a job that finds no free slot: it waits here, or is refused with 429. */
  readonly whenFull: 'queue' | 'reject';
}

/** @throws TrainyardError AUTH_REQUIRED_FOR_HOST */
export function resolveLocalApi(
  given: Partial<LocalApiOptions> & Pick<LocalApiOptions, 'port'>,
): LocalApiOptions {
  const { port, host = '127.0.0.1', token, whenFull = 'queue' } = given;
  if (token === undefined && !isLoopback(host)) {
    const message = `The agent's own routes on ${host} can be reached from other machines, so they need a token: set TRAINYARD_AGENT_API_TOKEN.`;
    throw new TrainyardError('AUTH_REQUIRED_FOR_HOST', message);
  }
  return { port, host, token, whenFull };
}

/**
 * Without a token whoever reaches the port may call, so no web page must reach it through a browser: neither
 * by a name that leads to loopback nor from any origin.
 * @throws ApiError 401, 403
 */
export function checkCaller({ token }: LocalApiOptions, headers: IncomingHttpHeaders): void {
  if (token !== undefined) {
    const bearer = /^Bearer +(\S+)$/i.exec(headers.authorization ?? '')?.[1];
    const key = headers['x-api-key'];
    const shown = bearer ?? (typeof key === 'string' ? key : '');
    if (timingSafeEqual(digest(shown), digest(token))) return;
    throw new ApiError(401, 'UNAUTHENTICATED', 'This agent needs its token: Authorization: Bearer TOKEN.');
  }
  const name = (headers.host ?? '').replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  if (headers.origin !== undefined || !isLoopback(name)) {
    throw new ApiError(
      403,
      'HOST_NOT_ALLOWED',
      'An agent without a token answers programs on this machine only.',
    );
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
