import { layersOf } from '@trainyard/dag';
import { serverInfo, submitRun } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { definitionSize } from '../definition/index.ts';
import { readSubmittedDefinition } from '../pipelines/read-submitted.ts';
import type { ServerContext } from '../server-context.ts';
import { createPipelineStore } from '../store/pipelines.ts';
import { databaseAnswers } from '../store/runs.ts';

/** Header of /healthz: tells one start of a server from every other, also at the same address. */
export const INSTANCE_HEADER = 'x-trainyard-instance';

/** Health, for load balancers and scripts; outside of the versioned API. */
export function healthRoutes(context: ServerContext): FastifyPluginAsyncZod {
  return async (app) => {
    app.get(
      '/healthz',
      {
        config: { access: 'public' },
        schema: { tags: ['system'], response: { 200: z.object({ status: z.literal('ok') }) } },
      },
      async (_request, reply) =>
        reply.header(INSTANCE_HEADER, context.instanceId).send({ status: 'ok' as const }),
    );
    app.get(
      '/readyz',
      {
        config: { access: 'public' },
        schema: {
          tags: ['system'],
          response: {
            200: z.object({ status: z.literal('ready') }),
            503: z.object({ status: z.literal('unready') }),
          },
        },
      },
      async (_request, reply) =>
        context.isReady() && (await databaseAnswers(context.database))
          ? reply.status(200).send({ status: 'ready' as const })
          : reply.status(503).send({ status: 'unready' as const }),
    );
  };
}

/** What the server is, and a check of definitions that stores nothing. */
export function systemRoutes(context: ServerContext): FastifyPluginAsyncZod {
  const pipelines = createPipelineStore(context.database);
  return async (app) => {
    app.get(
      '/info',
      // Public, because a client has to learn here whether it needs a token.
      { config: { access: 'public' }, schema: { tags: ['system'], response: { 200: serverInfo } } },
      async () => ({
        ...context.info,
        auth: (await context.auth.isOpen()) ? ('open' as const) : ('token' as const),
      }),
    );
    app.post(
      '/pipelines/validate',
      {
        config: { access: 'read' },
        schema: {
          tags: ['pipelines'],
          body: submitRun,
          response: {
            200: z.object({
              name: z.string(),
              stages: z.int(),
              depth: z.int(),
              layers: z.array(z.array(z.string())),
            }),
          },
        },
      },
      async (request) => {
        const { definition, plan } = await readSubmittedDefinition(request.body, {
          pipelines,
          maxDepth: context.maxDepth,
        });
        return {
          name: definition.name,
          ...definitionSize(definition),
          layers: layersOf(plan).map((layer) => layer.map((node) => plan.columns.names[node]!)),
        };
      },
    );
  };
}
