import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../../server-context.ts';
import { artifactListRoute } from './artifact-list.ts';
import { experimentRoutes } from './experiment-routes.ts';
import { mlflowFrame } from './frame.ts';
import { inputRoutes } from './input-routes.ts';
import { logModelRoute } from './log-model-route.ts';
import { logRoutes } from './log-routes.ts';
import { loggedModelRoutes } from './logged-model-routes.ts';
import { metricRoutes } from './metric-routes.ts';
import { modelVersionRoutes } from './model-version-routes.ts';
import { registeredModelRoutes } from './registered-model-routes.ts';
import { mlflowRunRoutes } from './run-routes.ts';
import { mlflowSearchRoutes } from './search-routes.ts';

/** MLflow's tracking API on this server's runs; registered at each of `MLFLOW_PREFIXES`. */
export function mlflowRoutes(context: ServerContext) {
  return async (app: FastifyInstance) => {
    mlflowFrame(app);
    experimentRoutes(app, context);
    mlflowSearchRoutes(app, context);
    mlflowRunRoutes(app, context);
    logRoutes(app, context);
    logModelRoute(app, context);
    inputRoutes(app, context);
    metricRoutes(app, context);
    registeredModelRoutes(app, context);
    modelVersionRoutes(app, context);
    loggedModelRoutes(app, context);
    artifactListRoute(app, context);
  };
}
