import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../../server-context.ts';
import { type DatasetInput, noteUses, summariseDatasets } from '../../tracking/run-inputs.ts';
import { TRACKING_LIMITS } from '../../tracking/tracking-limits.ts';
import { experimentId } from './experiment-routes.ts';
import { requireKey, requireLength } from './field-limits.ts';
import { mlflowRoute } from './frame.ts';
import { integer, list, type MessageValue, nested, required, text } from './message.ts';
import { MlflowRefusal } from './mlflow-error.ts';
import { RUN_ID, runIdOf } from './run-fields.ts';

const DATASET_INPUT = {
  tags: list(nested({ key: required(text()), value: required(text()) })),
  dataset: required(
    nested({
      name: required(text()),
      digest: required(text()),
      source_type: required(text()),
      source: required(text()),
      schema: text(),
      profile: text(),
    }),
  ),
};
const MODEL = { model_id: required(text()) };

const MAX_SUMMARISED_EXPERIMENTS = 20;

/** Datasets and models that runs read and make. */
export function inputRoutes(app: FastifyInstance, { database }: ServerContext): void {
  const { kysely: db, pool } = database;

  mlflowRoute(app, {
    method: 'POST',
    path: '/runs/log-inputs',
    access: 'write',
    request: { ...RUN_ID, datasets: list(nested(DATASET_INPUT)), models: list(nested(MODEL)) },
    async answer(request) {
      requireCount('datasets', request.datasets.length);
      requireCount('models', request.models.length);
      await noteUses(db, runIdOf(request), {
        datasets: request.datasets.map((input, index) => checkedInput(input, `datasets[${index}].`)),
        models: request.models.map(({ model_id: modelId }) => ({ role: 'input', modelId, step: 0 })),
      });
      return {};
    },
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/runs/outputs',
    access: 'write',
    request: { ...RUN_ID, models: list(nested({ ...MODEL, step: integer() })) },
    async answer(request) {
      requireCount('models', request.models.length);
      await noteUses(db, runIdOf(request), {
        datasets: [],
        models: request.models.map(({ model_id: modelId, step = 0 }) => ({ role: 'output', modelId, step })),
      });
      return {};
    },
  });

  mlflowRoute(app, {
    method: 'POST',
    path: '/experiments/search-datasets',
    access: 'read',
    request: { experiment_ids: list(text()) },
    async answer({ experiment_ids: ids }) {
      if (ids.length === 0 || ids.length > MAX_SUMMARISED_EXPERIMENTS) {
        const message = `SearchDatasets request must specify at least one experiment_id and at most ${MAX_SUMMARISED_EXPERIMENTS} experiment_ids. Received ${ids.length} experiment_ids.`;
        throw new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
      }
      const numbers = ids.map((id, index) => experimentId(id, `experiment_ids[${index}]`));
      const summaries = await summariseDatasets(pool, numbers);
      return {
        dataset_summaries: summaries.map(({ experimentId: id, name, digest, context }) => ({
          experiment_id: String(id),
          name,
          digest,
          ...(context === null ? {} : { context }),
        })),
      };
    },
  });
}

function requireCount(path: string, count: number): void {
  if (count <= TRACKING_LIMITS.datasetsPerRequest) return;
  const message = `'${path}' has ${count} entries; one request takes at most ${TRACKING_LIMITS.datasetsPerRequest}.`;
  throw new MlflowRefusal('INVALID_PARAMETER_VALUE', message);
}

function checkedInput({ tags, dataset }: MessageValue<typeof DATASET_INPUT>, path: string): DatasetInput {
  const { name, digest, source_type: sourceType, source, schema = null, profile = null } = dataset;
  for (const [field, value, max] of [
    ['name', name, TRACKING_LIMITS.datasetName],
    ['digest', digest, TRACKING_LIMITS.datasetDigest],
    ['source_type', sourceType, TRACKING_LIMITS.datasetName],
    ['source', source, TRACKING_LIMITS.datasetSource],
    ['schema', schema ?? '', TRACKING_LIMITS.datasetSchema],
    ['profile', profile ?? '', TRACKING_LIMITS.datasetProfile],
  ] as const)
    requireLength(`${path}dataset.${field}`, value, max);
  for (const [index, tag] of tags.entries()) {
    requireKey(`${path}tags[${index}].key`, tag.key, TRACKING_LIMITS.inputTagKey);
    requireLength(`${path}tags[${index}].value`, tag.value, TRACKING_LIMITS.inputTagValue);
  }
  return { dataset: { name, digest, sourceType, source, schema, profile }, tags };
}
