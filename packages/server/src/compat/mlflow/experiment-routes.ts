import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../../server-context.ts';
import {
  createExperiment,
  deleteExperimentTag,
  findExperiment,
  getActiveExperiment,
  getExperiment,
  renameExperiment,
  setExperimentDeleted,
  setExperimentTag,
} from '../../tracking/experiments.ts';
import { TRACKING_LIMITS } from '../../tracking/tracking-limits.ts';
import { requireArtifactLocation } from './artifact-location.ts';
import { experimentView } from './experiment-view.ts';
import { requireKey, requireLength } from './field-limits.ts';
import { mlflowRoute } from './frame.ts';
import { list, nested, required, text } from './message.ts';
import { invalidValue, MlflowRefusal } from './mlflow-error.ts';

const tag = { key: required(text()), value: text() };
const byId = { experiment_id: required(text()) };

/** Experiments: made, found, renamed, deleted and restored, and their tags. */
export function experimentRoutes(app: FastifyInstance, { database: { kysely: db } }: ServerContext): void {
  const get = (givenId: string) => getExperiment(db, experimentId(givenId));
  const getActive = (givenId: string) => getActiveExperiment(db, experimentId(givenId));

  mlflowRoute(app, {
    method: 'POST',
    path: '/experiments/create',
    access: 'write',
    request: { name: required(text()), artifact_location: text(), tags: list(nested(tag)) },
    async answer({ name, artifact_location: artifactLocation = '', tags }) {
      requireLength('name', name, TRACKING_LIMITS.experimentName);
      requireArtifactLocation(artifactLocation);
      const checked = tags.map(({ key, value = '' }) => checkedTag({ key, value }));
      const id = await createExperiment(db, {
        name,
        artifactLocation: artifactLocation === '' ? null : artifactLocation,
        tags: checked,
      });
      if (id === undefined) throw taken(name);
      return { experiment_id: String(id) };
    },
  });

  mlflowRoute(app, {
    method: 'GET',
    path: '/experiments/get',
    access: 'read',
    request: byId,
    answer: async (request) => ({ experiment: experimentView(await get(request.experiment_id)) }),
  });

  mlflowRoute(app, {
    method: 'GET',
    path: '/experiments/get-by-name',
    access: 'read',
    request: { experiment_name: required(text()) },
    async answer({ experiment_name: name }) {
      const found = await findExperiment(db, { name });
      if (found !== undefined) return { experiment: experimentView(found) };
      throw new MlflowRefusal('RESOURCE_DOES_NOT_EXIST', `Could not find experiment with name '${name}'`);
    },
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/experiments/delete',
    access: 'write',
    request: byId,
    async answer({ experiment_id: givenId }) {
      const { id } = await getActive(givenId);
      await setExperimentDeleted(db, id, true);
      return {};
    },
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/experiments/restore',
    access: 'write',
    request: byId,
    async answer({ experiment_id: givenId }) {
      const { id, deletedAt } = await get(givenId);
      if (deletedAt === null) {
        const message = `No deleted experiment with id=${givenId} exists; it is active.`;
        throw new MlflowRefusal('RESOURCE_DOES_NOT_EXIST', message);
      }
      await setExperimentDeleted(db, id, false);
      return {};
    },
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/experiments/update',
    access: 'write',
    request: { ...byId, new_name: text() },
    async answer({ experiment_id: givenId, new_name: name = '' }) {
      const { id, deletedAt } = await get(givenId);
      if (name === '') return {};
      requireLength('new_name', name, TRACKING_LIMITS.experimentName);
      if (deletedAt !== null) {
        const message = `Cannot rename experiment in non-active lifecycle stage. Current stage: deleted`;
        // A user's mistake: MLflow answers 500 here, which its own clients would retry for minutes.
        throw new MlflowRefusal('INVALID_STATE', message, 400);
      }
      if (!(await renameExperiment(db, id, name))) throw taken(name);
      return {};
    },
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/experiments/set-experiment-tag',
    access: 'write',
    request: { ...byId, ...tag },
    async answer({ experiment_id: givenId, key, value = '' }) {
      const checked = checkedTag({ key, value });
      const { id } = await getActive(givenId);
      await setExperimentTag(db, id, checked);
      return {};
    },
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/experiments/delete-experiment-tag',
    access: 'write',
    request: { ...byId, key: required(text()) },
    async answer({ experiment_id: givenId, key }) {
      const { id } = await getActive(givenId);
      if (await deleteExperimentTag(db, id, key)) return {};
      throw new MlflowRefusal(
        'RESOURCE_DOES_NOT_EXIST',
        `No tag with name: ${key} in experiment with id ${givenId}`,
      );
    },
  });
}

/** @throws MlflowRefusal for what is no number */
export function experimentId(given: string, path = 'experiment_id'): number {
  const id = /^-?\d{1,18}$/.test(given) ? Number(given) : Number.NaN;
  if (Number.isSafeInteger(id)) return id;
  throw invalidValue(path, given, 'it is no id of an experiment, which is a number.');
}

function checkedTag({ key, value }: { readonly key: string; readonly value: string }) {
  requireKey('key', key, TRACKING_LIMITS.experimentTagKey);
  requireLength('value', value, TRACKING_LIMITS.experimentTagValue);
  return { key, value };
}

function taken(name: string): MlflowRefusal {
  const message = `Experiment(name=${name}) already exists. A deleted experiment keeps its name: restore it, or take another name.`;
  return new MlflowRefusal('RESOURCE_ALREADY_EXISTS', message);
}
