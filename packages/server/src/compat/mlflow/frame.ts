import { parseLenientJson } from '@trainyard/protocol';
import type { FastifyInstance, FastifyReply, FastifyRequest, HTTPMethods } from 'fastify';
import type { Access } from '../../auth/auth.ts';
import { type Message, type MessageValue, readMessage, readQuery } from './message.ts';
import { answerMlflowError, MlflowRefusal } from './mlflow-error.ts';

/** Where MLflow's API is; the second is what its page uses. */
export const MLFLOW_PREFIXES = ['/api/2.0/mlflow', '/ajax-api/2.0/mlflow'] as const;
/** Bytes of a body: a dataset's profile may have 16 MB, and its text is escaped within the body. */
const MAX_BODY_BYTES = 40 * 1024 * 1024;

export interface MlflowRoute<M extends Message> {
  readonly method: HTTPMethods | HTTPMethods[];
  /** Below the prefix. */
  readonly path: string;
  readonly access: Access;
  readonly request: M;
  /** @returns what is sent as JSON; members that are undefined are left out */
  readonly answer: (request: MessageValue<M>, http: FastifyRequest, reply: FastifyReply) => Promise<object>;
}

/** Adds a route whose request is read by its message: from the query string for GET, else from the body. */
export function mlflowRoute<M extends Message>(app: FastifyInstance, route: MlflowRoute<M>): void {
  app.route({
    method: route.method,
    url: route.path,
    config: { access: route.access },
    schema: { hide: true },
    async handler(http, reply) {
      const answer = await route.answer(readRequest(route.request, http), http, reply);
      return reply.type('application/json').send(JSON.stringify(answer));
    },
  });
}

/** For the routes of one plugin: bodies as MLflow's clients send them, errors as they read them. */
export function mlflowFrame(app: FastifyInstance): void {
  app.removeAllContentTypeParsers();
  app.addContentTypeParser(
    '*',
    { parseAs: 'string', bodyLimit: MAX_BODY_BYTES },
    (request, body: string, done) => {
      if (hasJsonType(request)) return done(null, readBody(body));
      done(wrongContentType());
    },
  );
  // A request without a body has no parser that could refuse it.
  app.addHook('preValidation', async (request) => {
    const { method, headers } = request;
    // Some deletions of MLflow's client have no body, and name no type of it.
    const needsNoType =
      method === 'GET' || method === 'HEAD' || (method === 'DELETE' && headers['content-type'] === undefined);
    if (!needsNoType && !hasJsonType(request)) throw wrongContentType();
  });
  app.setErrorHandler((error: MlflowRefusal, request, reply) =>
    answerMlflowError(error, reply, () => request.log.error({ err: error }, 'request failed')),
  );
  app.setNotFoundHandler((request, reply) => {
    const message = `There is nothing at ${request.method} ${request.url}.`;
    return answerMlflowError(new MlflowRefusal('ENDPOINT_NOT_FOUND', message), reply, () => {});
  });
}

function readRequest<M extends Message>(message: M, http: FastifyRequest): MessageValue<M> {
  const params = http.params as Record<string, string>;
  const inBody = isRecord(http.body) ? http.body : {};
  if (http.method === 'GET') return readQuery(message, { ...(http.query as object), ...params });
  return readMessage(message, { ...inBody, ...params });
}

/** What cannot be read is as good as no request at all, as with MLflow. Old clients send their JSON as a text. */
function readBody(body: string): Record<string, unknown> {
  const read = parseLenientJson(body);
  if (read !== undefined) return read;
  return body.startsWith('"') ? (parseLenientJson(unquoted(body)) ?? {}) : {};
}

function unquoted(body: string): string {
  try {
    return String(JSON.parse(body));
  } catch {
    return '';
  }
}

function hasJsonType({ headers }: FastifyRequest): boolean {
  return headers['content-type']?.split(';')[0]?.trim().toLowerCase() === 'application/json';
}

function wrongContentType(): MlflowRefusal {
  return new MlflowRefusal(
    'INVALID_PARAMETER_VALUE',
    "Bad Request. Content-Type must be one of ['application/json'].",
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
