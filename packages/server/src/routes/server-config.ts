import { DEFAULT_FAILURE_PATTERNS, keepRun, keptRun, shownServerConfig } from '@trainyard/protocol';
import type { FastifyPluginAsyncZod } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { ServerContext } from '../server-context.ts';
import { keepTree } from '../store/kept-trees.ts';

/** What the server was configured with, and the runs that its retention leaves alone. */
export function serverConfigRoutes({ config, database, artifacts }: ServerContext): FastifyPluginAsyncZod {
  const { failures, retention } = config;
  const { logs, metricFiles, artifacts: oldArtifacts } = retention;
  return async (app) => {
    app.get(
      '/config',
      { config: { access: 'read' }, schema: { tags: ['system'], response: { 200: shownServerConfig } } },
      async () => ({
        failures: { own: failures, shipped: [...DEFAULT_FAILURE_PATTERNS] },
        retention: {
          logs: { maxAgeMs: logs.maxAge ?? null, maxBytes: logs.maxSize ?? null },
          metricFiles: { maxAgeMs: metricFiles.maxAge ?? null },
          artifacts: {
            maxAgeMs: oldArtifacts.maxAge ?? null,
            maxVersions: oldArtifacts.maxVersions ?? null,
          },
        },
        artifacts: { place: artifacts.place, maxFileBytes: artifacts.maxFileBytes },
      }),
    );

    app.put(
      '/runs/:id/kept',
      {
        config: { access: 'write' },
        schema: {
          tags: ['runs'],
          description: 'Whether retention leaves all of a root run alone, its logs among it.',
          params: z.object({ id: z.string().max(100) }),
          body: keepRun,
          response: { 200: keptRun },
        },
      },
      ({ params, body }) => keepTree(database.kysely, params.id, body.kept),
    );
  };
}
