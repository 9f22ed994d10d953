import { existsSync } from 'node:fs';
import rateLimit from '@fastify/rate-limit';
import fastifyStatic from '@fastify/static';
import swagger from '@fastify/swagger';
import websocket from '@fastify/websocket';
import { DEFINITION_LIMITS, TrainyardError, VERSION } from '@trainyard/protocol';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
} from 'fastify';
import {
  hasZodFastifySchemaValidationErrors,
  jsonSchemaTransform,
  serializerCompiler,
  validatorCompiler,
  type ZodTypeProvider,
} from 'fastify-type-provider-zod';
import type { Registry } from 'prom-client';
import { agentRoutes } from './routes/agents.ts';
import { liveRoute } from './routes/live.ts';
import { logRoutes } from './routes/logs.ts';
import { metricRoutes } from './routes/metrics.ts';
import { guardRoutes } from './routes/route-access.ts';
import { runRoutes } from './routes/runs.ts';
import { streamRoutes } from './routes/streams.ts';
import { healthRoutes, systemRoutes } from './routes/system.ts';
import { tokenRoutes } from './routes/tokens.ts';
import type { ServerContext } from './server-context.ts';

export interface AppOptions {
  readonly context: ServerContext;
  readonly metrics: Registry;
  /** Directory of the built web page; without it only the API is served. */
  readonly webDir: string | undefined;
  /** Ends long polls and live sockets when the server stops. */
  readonly stopping: AbortSignal;
}

/** Requests of one address per minute; far above what agents and pages need, below what hurts. */
const REQUESTS_PER_MINUTE = 300_000;

/** Puts routes, guards, error format, OpenAPI and the web page together. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { context } = options;
  const logger: FastifyBaseLogger = context.log.child({ part: 'http' }, { level: 'warn' });
  const app = Fastify({
    loggerInstance: logger,
    bodyLimit: DEFINITION_LIMITS.maxBytes * 2,
    // Node's own request timeout would end long polls of slow agents; Fastify's body limit still holds.
    requestTimeout: 120_000,
    routerOptions: { maxParamLength: 200 },
    forceCloseConnections: true,
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler((error: FastifyError, request, reply) => {
    sendError(
      reply,
      toTrainyardError(error, () => request.log.error({ err: error }, 'request failed')),
    );
  });
  // Before any route is added, so that no route escapes it.
  guardRoutes(app, context.auth);
  await app.register(rateLimit, { max: REQUESTS_PER_MINUTE, timeWindow: '1 minute' });
  await app.register(websocket, { options: { maxPayload: 64 * 1024 } });
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Trainyard',
        version: VERSION,
        description: 'Training pipelines, runs, metrics and logs.',
      },
      components: { securitySchemes: { token: { type: 'http', scheme: 'bearer' } } },
      security: [{ token: [] }],
    },
    transform: jsonSchemaTransform,
  });
  await app.register(healthRoutes(context));
  app.get('/metrics', { config: { access: 'read' } }, async (_request, reply) => {
    return reply.type(options.metrics.contentType).send(await options.metrics.metrics());
  });
  await app.register(apiRoutes(options), { prefix: '/api/v1' });
  await registerWeb(app, options.webDir);
  return app;
}

function apiRoutes({ context, stopping }: AppOptions) {
  return async (api: FastifyInstance) => {
    await api.register(systemRoutes(context));
    await api.register(runRoutes(context));
    await api.register(logRoutes(context));
    await api.register(metricRoutes(context));
    await api.register(agentRoutes(context, stopping));
    await api.register(streamRoutes(context));
    await api.register(tokenRoutes(context));
    await api.register(liveRoute(context, stopping));
    api.get('/openapi.json', { config: { access: 'public' }, schema: { hide: true } }, async () =>
      api.swagger(),
    );
  };
}

async function registerWeb(app: FastifyInstance, webDir: string | undefined): Promise<void> {
  if (webDir !== undefined && existsSync(webDir)) {
    await app.register(fastifyStatic, {
      root: webDir,
      wildcard: false,
      setHeaders: (reply, path) => {
        reply.header('content-security-policy', CONTENT_SECURITY_POLICY);
        reply.header('x-content-type-options', 'nosniff');
        reply.header('referrer-policy', 'no-referrer');
        reply.header(
          'cache-control',
          path.includes('/assets/') ? 'public, max-age=31536000, immutable' : 'no-cache',
        );
      },
    });
  }
  app.setNotFoundHandler((request, reply) => {
    const isPage =
      request.method === 'GET' &&
      !request.url.startsWith('/api/') &&
      webDir !== undefined &&
      existsSync(webDir);
    if (isPage && request.headers.accept?.includes('text/html')) return reply.sendFile('index.html');
    return sendError(
      reply,
      new TrainyardError('NOT_FOUND', `There is nothing at ${request.method} ${request.url}.`),
    );
  });
}

const CONTENT_SECURITY_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self' ws: wss:; " +
  "object-src 'none'; base-uri 'none'; frame-ancestors 'none'";

function toTrainyardError(error: FastifyError, logFault: () => void): TrainyardError {
  if (error instanceof TrainyardError) {
    if (error.httpStatus >= 500) logFault();
    return error;
  }
  if (hasZodFastifySchemaValidationErrors(error)) {
    const problems = error.validation.map(
      (issue) => `${error.validationContext}${issue.instancePath}: ${issue.message}`,
    );
    return new TrainyardError('INVALID_REQUEST', problems.slice(0, 10).join('; '), { details: { problems } });
  }
  if (error.statusCode === 413)
    return new TrainyardError('TOO_LARGE', 'The body of the request is too large.');
  if (error.statusCode === 429)
    return new TrainyardError('TOO_MANY_REQUESTS', 'Too many requests; try again in a minute.');
  if (error.statusCode !== undefined && error.statusCode < 500) {
    return new TrainyardError('INVALID_REQUEST', error.message);
  }
  logFault();
  return new TrainyardError('INTERNAL', 'The server failed on this request; its log has the details.');
}

function sendError(reply: FastifyReply, error: TrainyardError) {
  return reply.status(error.httpStatus).type('application/json').send(JSON.stringify(error.toBody()));
}
