import { type JsonValue, type PipelineVersionRef, TrainyardError } from '@trainyard/protocol';
import { readParam, wrongType } from '../definition/params.ts';
import type { ServerContext } from '../server-context.ts';
import { createPipelineStore } from '../store/pipelines.ts';
import { readRegisteredDefinition } from './read-submitted.ts';

/**
 * Refuses to store what would start no run: the pipeline must be there, have the params that are set, each with
 * a value of its type where that is known already, and have defaults for all others. Gives the version that a
 * run of now would have.
 * @throws TrainyardError NOT_FOUND, CONFLICT when it is archived, INVALID_PARAMS
 */
export async function checkStartable(
  { database, maxDepth }: Pick<ServerContext, 'database' | 'maxDepth'>,
  wanted: {
    readonly pipeline: string;
    readonly version: PipelineVersionRef;
    readonly params: Readonly<Record<string, JsonValue>>;
  },
): Promise<number> {
  const pipelines = createPipelineStore(database);
  const found = await pipelines.findForRun(wanted.pipeline, wanted.version);
  const { definition } = await readRegisteredDefinition(found, { pipelines, maxDepth });
  const declared = definition.params;
  const unknown = Object.keys(wanted.params).filter((name) => !Object.hasOwn(declared, name));
  const missing = Object.entries(declared).filter(
    ([name, { default: byDefault }]) => byDefault === undefined && !Object.hasOwn(wanted.params, name),
  );
  const wrong = Object.entries(wanted.params).filter(([name, value]) => {
    const spec = Object.hasOwn(declared, name) ? declared[name] : undefined;
    return spec !== undefined && !isTemplate(value) && readParam(value, spec) === undefined;
  });
  const problems = [
    ...unknown.map((name) => `pipeline "${wanted.pipeline}" has no param "${name}"`),
    ...missing.map(
      ([name]) => `param "${name}" of pipeline "${wanted.pipeline}" has no default and is not set`,
    ),
    ...wrong.map(([name, value]) => wrongType(`param "${name}"`, declared[name]!, value)),
  ];
  if (problems.length === 0) return found.version;
  throw new TrainyardError('INVALID_PARAMS', problems.join('\n'), { details: { problems } });
}

/** Whether its value is known only when a run starts. */
function isTemplate(value: JsonValue): boolean {
  return JSON.stringify(value).includes('${{');
}
