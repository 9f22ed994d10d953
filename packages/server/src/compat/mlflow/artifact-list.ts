import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../../server-context.ts';
import { findReadOwner } from '../../store/artifact-owners.ts';
import { getTrackedRun } from '../../tracking/read-runs.ts';
import { requireValidPath } from './artifact-place.ts';
import { artifactFiles } from './artifact-view.ts';
import { mlflowRoute } from './frame.ts';
import { text } from './message.ts';
import { MlflowRefusal } from './mlflow-error.ts';
import { RUN_ID, runIdOf } from './run-fields.ts';
import { artifactUriOf } from './run-view.ts';

/** What lies in a folder of a run's artifacts. */
export function artifactListRoute(app: FastifyInstance, { database }: ServerContext): void {
  const { pool } = database;
  mlflowRoute(app, {
    method: 'GET',
    path: '/artifacts/list',
    access: 'read',
    request: { ...RUN_ID, path: text(), page_token: text() },
    async answer(request) {
      const path = (request.path ?? '').replace(/\/+$/, '');
      if (path !== '') requireValidPath(path);
      const run = await getTrackedRun(pool, runIdOf(request));
      const rootUri = artifactUriOf(run);
      if (!rootUri.startsWith('mlflow-artifacts:')) {
        throw new MlflowRefusal(
          'INVALID_PARAMETER_VALUE',
          `The artifacts of run '${run.id}' are kept at ${rootUri}, which clients reach themselves; this server does not.`,
        );
      }
      const files = await artifactFiles(pool, (await findReadOwner(pool, run.id)).id, path);
      return { root_uri: rootUri, ...(files.length === 0 ? {} : { files }) };
    },
  });
}
