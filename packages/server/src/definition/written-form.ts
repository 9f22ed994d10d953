import type { PipelineDefinition } from '@trainyard/protocol/definition';
import type { DefinitionPath } from './faults.ts';
import type { Unit } from './units.ts';
import { useFinder } from './uses.ts';

type Fields = Record<string, unknown>;

/** A unit whose shape was checked, with defaults filled in and `{ use, params }` where the stand-ins are. */
export function writtenForm(shape: PipelineDefinition, unit: Unit): Fields {
  const useAt = useFinder(unit.uses);
  const inLevel = (level: Fields, path: DefinitionPath): Fields => ({
    ...level,
    stages: (level['stages'] as Fields[]).map((stage, index) => {
      const at = [...path, 'stages', index, 'pipeline'];
      const use = useAt(at);
      if (use !== undefined) return { ...stage, pipeline: { use: use.use, params: use.given } };
      const pipeline = stage['pipeline'] as Fields | undefined;
      return pipeline === undefined ? stage : { ...stage, pipeline: inLevel(pipeline, at) };
    }),
  });
  return inLevel(shape as unknown as Fields, []);
}
