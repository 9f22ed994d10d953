import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { TrainyardError } from '@trainyard/protocol';
import { AwsV4Signer } from 'aws4fetch';

/** A bucket of an S3-compatible store, and who we are there. */
export interface S3Target {
  readonly bucket: string;
  /** Before all keys; empty, or ends in "/". */
  readonly prefix: string;
  readonly region: string;
  /** Of another service than Amazon's. */
  readonly endpoint: string | undefined;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string | undefined;
}

export interface S3Request {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE' | 'HEAD';
  /** Without the prefix; empty: of the bucket itself. */
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 250;
/** Until the answer begins. */
const ANSWER_MS = 120_000;
const MESSAGE_CHARACTERS = 300;

/**
 * Sends a signed request (AWS Signature Version 4), again where the store or the way to it had a fault.
 * @returns an answer that is a success, or 404
 * @throws TrainyardError STORAGE_FULL, STORAGE_FAILED
 */
export async function sendToS3(target: S3Target, request: S3Request): Promise<Response> {
  for (let attempt = 1; ; attempt += 1) {
    const answer = await sendOnce(target, request).catch((error: unknown) => {
      request.signal?.throwIfAborted();
      if (attempt >= ATTEMPTS) throw failed(target, request, reasonOf(error), error);
    });
    if (answer?.ok || answer?.status === 404) return answer;
    const mayPass = answer === undefined || answer.status >= 500 || answer.status === 429;
    if (answer !== undefined && (!mayPass || attempt >= ATTEMPTS))
      throw await refused(target, request, answer);
    await answer?.body?.cancel();
    await sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1), undefined, { ...signalOf(request) });
  }
}

async function sendOnce(target: S3Target, request: S3Request): Promise<Response> {
  const { method, body } = request;
  const signer = new AwsV4Signer({
    method,
    url: urlOf(target, request),
    headers: {
      ...request.headers,
      'x-amz-content-sha256': createHash('sha256')
        .update(body ?? '')
        .digest('hex'),
    },
    ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
    accessKeyId: target.accessKeyId,
    secretAccessKey: target.secretAccessKey,
    ...(target.sessionToken === undefined ? {} : { sessionToken: target.sessionToken }),
    service: 's3',
    region: target.region,
  });
  const { url, headers } = await signer.sign();
  headers.delete('host');
  const waiting = new AbortController();
  const timer = setTimeout(
    () => waiting.abort(new Error(`no answer within ${ANSWER_MS / 1000} s`)),
    ANSWER_MS,
  );
  try {
    return await fetch(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body: body as Uint8Array<ArrayBuffer> }),
      signal: AbortSignal.any([waiting.signal, ...(request.signal === undefined ? [] : [request.signal])]),
    });
  } finally {
    clearTimeout(timer);
  }
}

function urlOf({ bucket, prefix, region, endpoint }: S3Target, { key, query = {} }: S3Request): string {
  const path = key === '' ? '' : (prefix + key).split('/').map(encodeSegment).join('/');
  // A certificate for *.s3.… does not cover names with further dots.
  const base =
    endpoint === undefined
      ? bucket.includes('.')
        ? `https://s3.${region}.amazonaws.com/${bucket}`
        : `https://${bucket}.s3.${region}.amazonaws.com`
      : `${endpoint.replace(/\/+$/, '')}/${bucket}`;
  const search = new URLSearchParams(query).toString();
  return `${base}/${path}${search === '' ? '' : `?${search}`}`;
}

/** As S3 wants it: more than encodeURIComponent does. */
function encodeSegment(segment: string): string {
  return encodeURIComponent(segment).replace(
    /[!'()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  );
}

async function refused(target: S3Target, request: S3Request, answer: Response): Promise<TrainyardError> {
  const text = await answer.text().catch(() => '');
  const code = /<Code>([^<]{1,100})<\/Code>/.exec(text)?.[1];
  const message = /<Message>([^<]{1,500})<\/Message>/.exec(text)?.[1];
  const reason = `${answer.status}${code === undefined ? '' : ` ${code}`}${message === undefined ? '' : `: ${message}`}`;
  if (answer.status === 507 || code === 'QuotaExceeded') {
    return new TrainyardError('STORAGE_FULL', `There is no room left in ${placeOf(target)} (${reason}).`);
  }
  return failed(target, request, reason);
}

function failed(target: S3Target, request: S3Request, reason: string, cause?: unknown): TrainyardError {
  return new TrainyardError(
    'STORAGE_FAILED',
    `${placeOf(target)} did not do ${request.method} ${request.key || '(the bucket)'}: ${reason.slice(0, MESSAGE_CHARACTERS)}`,
    cause === undefined ? {} : { cause },
  );
}

export function placeOf({ bucket, prefix, endpoint }: S3Target): string {
  return `s3://${bucket}/${prefix}${endpoint === undefined ? '' : ` at ${endpoint}`}`;
}

function reasonOf(error: unknown): string {
  let reason = error;
  while (reason instanceof Error && reason.cause instanceof Error) reason = reason.cause;
  return reason instanceof Error ? reason.message : String(reason);
}

function signalOf({ signal }: S3Request): { readonly signal?: AbortSignal } {
  return signal === undefined ? {} : { signal };
}
