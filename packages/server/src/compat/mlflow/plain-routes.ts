import type { FastifyInstance } from 'fastify';

/** The release of MLflow whose API this is; its clients ask for it to know what they may use. */
const MLFLOW_VERSION = '3.11.0';

/** What MLflow's clients ask of the server itself. */
export async function mlflowPlainRoutes(app: FastifyInstance): Promise<void> {
  const open = { config: { access: 'public' }, schema: { hide: true } } as const;
  app.get('/health', open, async (_request, reply) => reply.type('text/plain; charset=utf-8').send('OK'));
  app.get('/version', open, async (_request, reply) =>
    reply.type('text/plain; charset=utf-8').send(MLFLOW_VERSION),
  );
  for (const prefix of ['/api', '/ajax-api'])
    app.get(`${prefix}/3.0/mlflow/server-info`, open, async () => ({
      store_type: 'SqlStore',
      workspaces_enabled: false,
    }));
}
