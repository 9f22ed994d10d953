import { fromMlflowStatus, MLFLOW_STATUSES } from '@trainyard/protocol';
import type { FastifyInstance } from 'fastify';
import { ownerOf } from '../../routes/request-owner.ts';
import type { ServerContext } from '../../server-context.ts';
import type { Tag } from '../../tracking/experiments.ts';
import { RUN_NAME_TAG, USER_TAG } from '../../tracking/known-tags.ts';
import { getTrackedRun, readRunData } from '../../tracking/read-runs.ts';
import { readUses } from '../../tracking/run-inputs.ts';
import { setRunDeleted } from '../../tracking/run-lifecycle.ts';
import { randomRunName } from '../../tracking/run-name.ts';
import { TRACKING_LIMITS } from '../../tracking/tracking-limits.ts';
import { updateTrackedRun } from '../../tracking/update-run.ts';
import { experimentId } from './experiment-routes.ts';
import { requireLength } from './field-limits.ts';
import { mlflowRoute } from './frame.ts';
import { choice, integer, list, nested, text } from './message.ts';
import { MlflowRefusal } from './mlflow-error.ts';
import { checkedTag, RUN_ID, runIdOf, TAG } from './run-fields.ts';
import { runInfo, runView } from './run-view.ts';
import { inputsView, outputsView } from './uses-view.ts';

/** Runs: made, found, changed, deleted and restored. */
export function mlflowRunRoutes(app: FastifyInstance, context: ServerContext): void {
  const { database, bus, tracking } = context;
  const { pool, kysely: db } = database;
  const view = async (id: string) => {
    const run = await getTrackedRun(pool, id);
    const [[data], usesOf] = await Promise.all([readRunData(pool, [run]), readUses(pool, [id])]);
    return runView(data!, inputsView(usesOf(id)), outputsView(usesOf(id)));
  };

  mlflowRoute(app, {
    method: 'POST',
    path: '/runs/create',
    access: 'write',
    request: {
      experiment_id: text(),
      user_id: text(),
      run_name: text(),
      start_time: integer({ min: 0 }),
      tags: list(nested(TAG)),
    },
    async answer(request, http) {
      const given = request.tags.map((tag, index) => checkedTag(tag, `tags[${index}].`));
      const { name, tags } = namedTags(request.run_name ?? '', given);
      requireLength('run_name', name, TRACKING_LIMITS.runName);
      const userId = request.user_id ?? tags.findLast(({ key }) => key === USER_TAG)?.value ?? '';
      requireLength('user_id', userId, TRACKING_LIMITS.runName);
      const made = await tracking.creator.create({
        experimentId: experimentId(request.experiment_id || '0'),
        name,
        userId,
        status: 'running',
        startMs: request.start_time ?? Date.now(),
        tags,
        createdBy: await ownerOf(context.auth, http),
      });
      return { run: runView(made) };
    },
  });

  mlflowRoute(app, {
    method: 'GET',
    path: '/runs/get',
    access: 'read',
    request: RUN_ID,
    answer: async (request) => ({ run: await view(runIdOf(request)) }),
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/runs/update',
    access: 'write',
    request: {
      ...RUN_ID,
      status: choice(MLFLOW_STATUSES),
      end_time: integer({ min: 0 }),
      run_name: text(),
    },
    async answer(request) {
      const id = runIdOf(request);
      const name = request.run_name === '' ? undefined : request.run_name;
      if (name !== undefined) requireLength('run_name', name, TRACKING_LIMITS.runName);
      await updateTrackedRun({ db, bus }, id, {
        status: request.status === undefined ? undefined : fromMlflowStatus(request.status),
        // Protocol buffers do not tell 0 from nothing.
        endMs: request.end_time || undefined,
        name,
      });
      return { run_info: runInfo(await getTrackedRun(pool, id)) };
    },
  });

  for (const [path, isDeleted] of [
    ['/runs/delete', true],
    ['/runs/restore', false],
  ] as const) {
    mlflowRoute(app, {
      method: 'POST',
      path,
      access: 'write',
      request: RUN_ID,
      async answer(request) {
        await setRunDeleted(db, runIdOf(request), isDeleted);
        return {};
      },
    });
  }
}

/** The name of a new run and its tags, of which one is the name. @throws MlflowRefusal when the two differ */
function namedTags(runName: string, given: readonly Tag[]): { name: string; tags: Tag[] } {
  const tagged = given.findLast(({ key }) => key === RUN_NAME_TAG)?.value ?? '';
  if (runName !== '' && tagged !== '' && runName !== tagged) {
    const message = `Both 'run_name' argument and '${RUN_NAME_TAG}' tag are specified, but with different values (run_name='${runName}', ${RUN_NAME_TAG}='${tagged}').`;
    throw new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
  }
  const name = runName || tagged || randomRunName();
  return { name, tags: [...given, { key: RUN_NAME_TAG, value: name }] };
}
