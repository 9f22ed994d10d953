import { type ErrorCode, isErrorCode, TrainyardError } from '@trainyard/protocol';

/** The size that the server has stored, from a STREAM_GAP error; `undefined` for any other error. */
export function gapSize(error: unknown): number | undefined {
  if (!(error instanceof TrainyardError) || error.code !== 'STREAM_GAP') return undefined;
  const size = (error.details as { size?: unknown } | undefined)?.size;
  return typeof size === 'number' && Number.isSafeInteger(size) && size >= 0 ? size : undefined;
}

/** How long the server asked to wait before the next try; 0 when it did not. */
export function retryAfterMs(error: unknown): number {
  return error instanceof TrainyardError ? (RETRY_AFTER_MS.get(error) ?? 0) : 0;
}

/** True when the answer had not the form of a Trainyard server's: a proxy's, which knows no attempts. */
export function isForeignAnswer(error: unknown): boolean {
  return error instanceof TrainyardError && FOREIGN_ANSWERS.has(error);
}

const RETRY_AFTER_MS = new WeakMap<TrainyardError, number>();
const FOREIGN_ANSWERS = new WeakSet<TrainyardError>();
const MAX_RETRY_AFTER_MS = 60_000;

/** No answer, one of a proxy, or one that says that the server is not up. */
export function isAway(error: TrainyardError): boolean {
  return error.code === 'SERVER_UNREACHABLE' || error.code === 'UNAVAILABLE' || isForeignAnswer(error);
}

/** True when the host answered that no process listens there, or the server itself said that it is not up. */
export function isServerDown(error: unknown): boolean {
  if (!(error instanceof TrainyardError)) return false;
  if (error.code === 'UNAVAILABLE') return true;
  for (let cause: unknown = error.cause; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && cause.code === 'ECONNREFUSED') return true;
  }
  return false;
}

export function withRetryAfter(error: TrainyardError, given: string | null): TrainyardError {
  if (given === null) return error;
  // Seconds, or a date (RFC 9110, 10.2.3).
  const ms = /^\d+$/.test(given) ? Number(given) * 1000 : Date.parse(given) - Date.now();
  if (ms > 0) RETRY_AFTER_MS.set(error, Math.min(ms, MAX_RETRY_AFTER_MS));
  return error;
}

export function toError(url: string, path: string, status: number, text: string): TrainyardError {
  const body = parseJson(text) as
    | { error?: { code?: unknown; message?: unknown; details?: unknown } }
    | undefined;
  const code = body?.error?.code;
  if (isErrorCode(code)) {
    const message = typeof body?.error?.message === 'string' ? body.error.message : `HTTP ${status}`;
    return new TrainyardError(code, message, { details: body?.error?.details });
  }
  const error = new TrainyardError(
    codeOfStatus(status),
    `${url}${path.split('?')[0]} answered HTTP ${status}.`,
  );
  FOREIGN_ANSWERS.add(error);
  return error;
}

/**
 * For answers without our error body, as proxies give them. A proxy's 404 or 410 says nothing about the
 * attempt, so it counts as unreachable and is tried again.
 */
function codeOfStatus(status: number): ErrorCode {
  if (status === 401) return 'UNAUTHENTICATED';
  if (status === 403) return 'FORBIDDEN';
  if (status === 413) return 'TOO_LARGE';
  if (status === 429) return 'TOO_MANY_REQUESTS';
  if (status === 400) return 'INVALID_REQUEST';
  return 'SERVER_UNREACHABLE';
}

export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
