import type { JsonValue } from '../definition/index.ts';
import { type FieldReader, isJsonObject, ownValue } from './field-reader.ts';

/**
 * The stages with what the pipeline itself says under `dependencies`, `{stage: [names]}`, added to their `depends_on`:
 * the older system kept it in both places, and a definition that was read there may have either.
 */
export function withPipelineDependencies(
  root: FieldReader,
  stages: readonly JsonValue[],
): readonly JsonValue[] {
  const dependencies = root.object('dependencies');
  if (dependencies === undefined) return stages;
  const names = new Set(
    stages.map((stage) => (isJsonObject(stage) ? String(ownValue(stage, 'name')) : undefined)),
  );
  for (const [name, list] of Object.entries(dependencies)) {
    if (!names.has(name))
      root.refuse('UNKNOWN_STAGE', 'dependencies', `"dependencies" names "${name}", which is no stage`);
    else if (!Array.isArray(list))
      root.refuse('WRONG_TYPE', 'dependencies', `what "${name}" depends on must be a list`);
  }
  return stages.map((stage) => {
    if (!isJsonObject(stage)) return stage;
    const more = ownValue(dependencies, String(ownValue(stage, 'name')));
    const own = ownValue(stage, 'depends_on') ?? [];
    if (!Array.isArray(more) || !Array.isArray(own)) return stage;
    const known = new Set(own);
    const added = more.filter((name) => !known.has(name));
    return added.length === 0 ? stage : { ...stage, depends_on: [...own, ...added] };
  });
}
