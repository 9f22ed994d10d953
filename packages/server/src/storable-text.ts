import { TrainyardError } from '@trainyard/protocol';
import type { FastifyInstance } from 'fastify';
import { storableText } from './store/jsonb-text.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /**
     * What happens to text that PostgreSQL cannot hold (NUL, halves of surrogate pairs). `refuse`, the default,
     * suits people; `repair` suits what agents pass on from programs, who could only repeat it for ever.
     */
    unstorableText?: 'refuse' | 'repair';
  }
}

/** Deeper values than this are refused: nothing of ours nests so far. */
const MAX_DEPTH = 200;

/** JSON in which text cannot be stored says so by an escape: neither NUL nor half of a pair can stand there as it is. */
const ESCAPED = /\\u(?:0000|d[89a-f])/i;

/** Bodies whose text has shown that all in them can be stored: to look at each string costs as much as to parse it. */
const CLEAN_BODIES = new WeakSet<object>();

/** Sees to it that no route gets text that the database would refuse. */
export function guardText(app: FastifyInstance): void {
  // Outputs and params may have a key "constructor"; nothing here copies values along it.
  const parseJson = app.getDefaultJsonParser('error', 'ignore');
  app.addContentTypeParser<string>('application/json', { parseAs: 'string' }, (request, text, done) => {
    parseJson(request, text, (error, body: unknown) => {
      if (typeof body === 'object' && body !== null && !ESCAPED.test(text)) CLEAN_BODIES.add(body);
      done(error, body);
    });
  });
  app.addHook('preValidation', async (request) => {
    const { body, params, query } = request;
    const isRepaired = request.routeOptions.config.unstorableText === 'repair';
    if (!isRepaired) {
      refuseUnstorable(params, 'params');
      refuseUnstorable(query, 'query');
    }
    if (typeof body === 'object' && body !== null && CLEAN_BODIES.has(body)) refuseDepth(body, 0);
    else if (isRepaired) request.body = repairText(body, 0);
    else refuseUnstorable(body, 'body');
  });
}

function refuseUnstorable(value: unknown, part: string): void {
  const path = findUnstorableText(value, part);
  if (path === undefined) return;
  throw new TrainyardError(
    'INVALID_REQUEST',
    `${path}: holds a NUL character or half of a surrogate pair, which cannot be stored.`,
  );
}

/** Where `value` holds text that cannot be stored, as key or as value; undefined when nowhere. */
export function findUnstorableText(value: unknown, path: string, depth = 0): string | undefined {
  if (typeof value === 'string') return isStorable(value) ? undefined : path;
  if (typeof value !== 'object' || value === null || Buffer.isBuffer(value)) return undefined;
  if (depth > MAX_DEPTH) throw tooDeep(path);
  for (const [key, inner] of Object.entries(value)) {
    if (!isStorable(key)) return path;
    const found = findUnstorableText(inner, `${path}/${key}`, depth + 1);
    if (found !== undefined) return found;
  }
  return undefined;
}

function repairText(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return storableText(value);
  if (typeof value !== 'object' || value === null) return value;
  if (depth > MAX_DEPTH) throw tooDeep('body');
  if (Array.isArray(value)) return value.map((inner) => repairText(inner, depth + 1));
  return Object.fromEntries(
    Object.entries(value).map(([key, inner]) => [storableText(key), repairText(inner, depth + 1)]),
  );
}

function refuseDepth(value: object, depth: number): void {
  if (depth > MAX_DEPTH) throw tooDeep('body');
  for (const inner of Object.values(value)) {
    if (typeof inner === 'object' && inner !== null) refuseDepth(inner, depth + 1);
  }
}

function isStorable(text: string): boolean {
  return !text.includes('\0') && text.isWellFormed();
}

function tooDeep(path: string): TrainyardError {
  return new TrainyardError(
    'INVALID_REQUEST',
    `${path.slice(0, 100)}: is nested deeper than ${MAX_DEPTH} levels.`,
  );
}
