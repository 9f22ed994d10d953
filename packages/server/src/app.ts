import { existsSync } from 'node:fs';
import rateLimit from '@fastify/rate-limit';
import fastifyStatic from '@fastify/static';
import websocket from '@fastify/websocket';
import { DEFINITION_LIMITS, TrainyardError } from '@trainyard/protocol';
import Fastify, {
  type FastifyBaseLogger,
  type FastifyError,
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
} from 'fastify';
import { serializerCompiler, validatorCompiler, type ZodTypeProvider } from 'fastify-type-provider-zod';
import type { Registry } from 'prom-client';
import { limitBodyTime } from './body-deadline.ts';
import { olderDagRoutes } from './compat/dag-v1/dag-routes.ts';
import { olderTaskRoutes } from './compat/dag-v1/task-routes.ts';
import { mlflowArtifactRoutes } from './compat/mlflow/artifact-routes.ts';
import { MLFLOW_PREFIXES } from './compat/mlflow/frame.ts';
import { mlflowRoutes } from './compat/mlflow/mlflow-routes.ts';
import { mlflowPlainRoutes } from './compat/mlflow/plain-routes.ts';
import { olderMonitoringRoutes } from './compat/monitoring-v1/monitoring-routes.ts';
import { olderPipelineRoutes } from './compat/pipelines-v1/pipeline-routes.ts';
import { olderPipelineTaskRoutes } from './compat/pipelines-v1/task-routes.ts';
import { jobRunRoutes } from './compat/training-v1/job-run-routes.ts';
import { answerAsOlder } from './compat/training-v1/older-error.ts';
import { olderTrainingRoutes } from './compat/training-v1/training-routes.ts';
import { sendError, toTrainyardError } from './error-answer.ts';
import { registerOpenApi } from './openapi.ts';
import { agentRoutes } from './routes/agents.ts';
import { approvalRoutes } from './routes/approvals.ts';
import { artifactRoutes } from './routes/artifacts.ts';
import { attemptCacheRoutes } from './routes/attempt-cache.ts';
import { backfillRoutes } from './routes/backfills.ts';
import { cacheRoutes } from './routes/cache.ts';
import { checkpointRoutes } from './routes/checkpoints.ts';
import { datasetRoutes } from './routes/datasets.ts';
import { errorDocs } from './routes/error-docs.ts';
import { experimentApiRoutes } from './routes/experiments.ts';
import { findingRoutes } from './routes/findings.ts';
import { hookRoutes } from './routes/hooks.ts';
import { jobTokenRoutes } from './routes/job-tokens.ts';
import { liveRoute } from './routes/live.ts';
import { logRoutes } from './routes/logs.ts';
import { metricRoutes } from './routes/metrics.ts';
import { modelRoutes } from './routes/models.ts';
import { pauseRoutes } from './routes/pause-run.ts';
import { pipelineRoutes } from './routes/pipelines.ts';
import { poolRoutes } from './routes/pools.ts';
import { releasedJobRoutes } from './routes/released-jobs.ts';
import { rerunRoutes } from './routes/reruns.ts';
import { guardRoutes } from './routes/route-access.ts';
import { runParamRoutes } from './routes/run-params.ts';
import { runRoutes } from './routes/runs.ts';
import { scheduleRoutes } from './routes/schedules.ts';
import { secretRoutes } from './routes/secrets.ts';
import { serverConfigRoutes } from './routes/server-config.ts';
import { streamRoutes } from './routes/streams.ts';
import { healthRoutes, systemRoutes } from './routes/system.ts';
import { tokenRoutes } from './routes/tokens.ts';
import { trackedRunRoutes } from './routes/tracked-runs.ts';
import { trackingRoutes } from './routes/tracking.ts';
import { trainingJobRoutes } from './routes/training-jobs.ts';
import { triggerRoutes } from './routes/triggers.ts';
import { webhookRoutes } from './routes/webhooks.ts';
import type { ServerContext } from './server-context.ts';
import { drainBeforeClose, endSockets } from './shut-down.ts';
import { guardText } from './storable-text.ts';

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

const HEADERS_MS = 60_000;

/** Puts routes, guards, error format, OpenAPI and the web page together. */
export async function createApp(options: AppOptions): Promise<FastifyInstance> {
  const { context } = options;
  const logger: FastifyBaseLogger = context.log.child({ part: 'http' }, { level: 'warn' });
  const answerError = (error: FastifyError, request: FastifyRequest, reply: FastifyReply): void => {
    const told = toTrainyardError(error, () => request.log.error({ err: error }, 'request failed'));
    if (!answerAsOlder(request.url, reply, told)) void sendError(reply, told);
  };
  const app = Fastify({
    loggerInstance: logger,
    // Faults that are found before there is a route, such as an address that cannot be decoded.
    frameworkErrors: answerError,
    bodyLimit: DEFINITION_LIMITS.maxBytes * 2,
    // Of headers Node sees to it, of bodies we do: those of artifacts may take long.
    http: { headersTimeout: HEADERS_MS },
    // What is too long is told by the schema of its route, which says what is allowed.
    routerOptions: { maxParamLength: 1000 },
    forceCloseConnections: true,
    // Answered by a hook, in the form of all errors.
    return503OnClosing: false,
  }).withTypeProvider<ZodTypeProvider>();
  app.setValidatorCompiler(validatorCompiler);
  app.setSerializerCompiler(serializerCompiler);
  app.setErrorHandler(answerError);
  // First of all: a refused upgrade is closed only if this plugin has seen the request before the guard.
  await app.register(websocket, {
    options: { maxPayload: 64 * 1024 },
    // A client that breaks the protocol or its connection is no fault of ours.
    errorHandler: (error, _socket, request) => request.log.debug({ err: error }, 'a live socket failed'),
    preClose(this: FastifyInstance, done: () => void) {
      void endSockets(this.websocketServer.clients).then(() => this.websocketServer.close(() => done()));
    },
  });
  drainBeforeClose(app, options.stopping);
  limitBodyTime(app);
  // Before any route is added, so that no route escapes it.
  guardRoutes(app, context.auth);
  guardText(app);
  await app.register(rateLimit, { max: REQUESTS_PER_MINUTE, timeWindow: '1 minute' });
  await registerOpenApi(app);
  await app.register(healthRoutes(context));
  await app.register(errorDocs);
  app.get(
    '/metrics',
    { config: { access: 'read' }, schema: { tags: ['system'] } },
    async (_request, reply) => {
      return reply.type(options.metrics.contentType).send(await options.metrics.metrics());
    },
  );
  await app.register(apiRoutes(options), { prefix: '/api/v1' });
  await app.register(olderDagRoutes(context, options.stopping), { prefix: '/api' });
  await app.register(olderTaskRoutes(context), { prefix: '/api' });
  await app.register(olderTrainingRoutes(context, options.stopping), { prefix: '/api' });
  await app.register(olderPipelineRoutes(context), { prefix: '/api/older/v1' });
  await app.register(olderPipelineTaskRoutes(context), { prefix: '/api/older/v1' });
  await app.register(olderMonitoringRoutes(context, options.stopping));
  await app.register(olderMonitoringRoutes(context, options.stopping), { prefix: '/api/v1' });
  await app.register(mlflowPlainRoutes);
  await app.register(mlflowArtifactRoutes(context));
  for (const prefix of MLFLOW_PREFIXES) await app.register(mlflowRoutes(context), { prefix });
  await registerWeb(app, options.webDir);
  return app;
}

function apiRoutes({ context, stopping }: AppOptions) {
  return async (api: FastifyInstance) => {
    await api.register(systemRoutes(context));
    await api.register(serverConfigRoutes(context));
    await api.register(pipelineRoutes(context));
    await api.register(poolRoutes(context));
    await api.register(trackingRoutes(context));
    await api.register(modelRoutes(context));
    await api.register(runRoutes(context));
    await api.register(pauseRoutes(context));
    await api.register(runParamRoutes(context));
    await api.register(datasetRoutes(context));
    await api.register(rerunRoutes(context));
    await api.register(cacheRoutes(context));
    await api.register(attemptCacheRoutes(context));
    await api.register(approvalRoutes(context));
    await api.register(findingRoutes(context));
    await api.register(logRoutes(context));
    await api.register(metricRoutes(context));
    await api.register(experimentApiRoutes(context));
    await api.register(trackedRunRoutes(context));
    await api.register(artifactRoutes(context));
    await api.register(agentRoutes(context, stopping));
    await api.register(releasedJobRoutes(context));
    await api.register(streamRoutes(context));
    await api.register(tokenRoutes(context));
    await api.register(scheduleRoutes(context));
    await api.register(backfillRoutes(context));
    await api.register(hookRoutes(context));
    await api.register(trainingJobRoutes(context));
    await api.register(jobRunRoutes(context));
    await api.register(checkpointRoutes(context));
    await api.register(triggerRoutes(context));
    await api.register(secretRoutes(context));
    await api.register(jobTokenRoutes(context));
    await api.register(webhookRoutes(context));
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
    const error = new TrainyardError('NOT_FOUND', `There is nothing at ${request.method} ${request.url}.`);
    return answerAsOlder(request.url, reply, error) ? reply : sendError(reply, error);
  });
}

const CONTENT_SECURITY_POLICY =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; connect-src 'self' ws: wss:; " +
  "object-src 'none'; base-uri 'none'; frame-ancestors 'none'";
