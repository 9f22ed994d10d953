import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../../server-context.ts';
import { jobCheckpointRoutes } from './checkpoint-routes.ts';
import { jobControlRoutes } from './control-routes.ts';
import { handOverRoute } from './handover-route.ts';
import { answerOlderErrors } from './older-error.ts';
import { jobParamRoutes } from './param-routes.ts';
import { jobPredictionRoutes } from './prediction-routes.ts';
import { pullRoutes } from './pull-routes.ts';
import { jobReadRoutes } from './read-routes.ts';
import { jobReportRoutes } from './report-routes.ts';

/** The older training API, on this server's runs. Its errors have its own form. */
export function olderTrainingRoutes(context: ServerContext, stopping: AbortSignal) {
  return async (app: FastifyInstance) => {
    answerOlderErrors(app);
    await app.register(pullRoutes(context));
    await app.register(jobReportRoutes(context), { prefix: '/training' });
    await app.register(jobCheckpointRoutes(context), { prefix: '/training' });
    await app.register(handOverRoute(context), { prefix: '/training' });
    await app.register(jobControlRoutes(context), { prefix: '/training' });
    await app.register(jobReadRoutes(context, stopping), { prefix: '/training' });
    await app.register(jobParamRoutes(context), { prefix: '/training' });
    await app.register(jobPredictionRoutes(context, stopping), { prefix: '/training' });
  };
}
