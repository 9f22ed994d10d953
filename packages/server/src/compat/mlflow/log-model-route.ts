import type { FastifyInstance } from 'fastify';
import type { ServerContext } from '../../server-context.ts';
import { appendModelHistory } from '../../tracking/model-history.ts';
import { mlflowRoute } from './frame.ts';
import { required, text } from './message.ts';
import { MlflowRefusal } from './mlflow-error.ts';
import { RUN_ID, runIdOf } from './run-fields.ts';

const MANDATORY = ['artifact_path', 'flavors', 'run_id', 'utc_time_created'] as const;

/** How clients before version 3 told of the models that a run has logged: a list in one of its tags. */
export function logModelRoute(app: FastifyInstance, { database }: ServerContext): void {
  mlflowRoute(app, {
    method: 'POST',
    path: '/runs/log-model',
    access: 'write',
    request: { ...RUN_ID, model_json: required(text()) },
    async answer(request) {
      await appendModelHistory(database.kysely, runIdOf(request), readModel(request.model_json));
      return {};
    },
  });
}

function readModel(json: string): Readonly<Record<string, unknown>> {
  const refuse = (why: string): never => {
    throw new MlflowRefusal(
      'INVALID_PARAMETER_VALUE',
      `Malformed model info. \n ${json.slice(0, 1000)} \n ${why}`,
    );
  };
  let model: unknown;
  try {
    model = JSON.parse(json);
  } catch {
    return refuse('is not valid JSON.');
  }
  if (typeof model !== 'object' || model === null || Array.isArray(model)) return refuse('is not an object.');
  const missing = MANDATORY.filter((key) => !Object.hasOwn(model, key));
  if (missing.length > 0) refuse(`Model json is missing mandatory fields: ${missing.join(', ')}`);
  return model as Record<string, unknown>;
}
