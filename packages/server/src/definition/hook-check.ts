import type { PipelineBody, PipelineDefinition } from '@trainyard/protocol/definition';
import type { DefinitionPath, Fault } from './faults.ts';

/** Stages that name a hook in `dependsOn`, and levels that have nothing but hooks. */
export function hookFaults(definition: PipelineDefinition): Fault[] {
  const faults: Fault[] = [];
  const open: { readonly body: PipelineBody; readonly path: DefinitionPath }[] = [
    { body: definition, path: [] },
  ];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { body, path } = next;
    faults.push(...faultsOfLevel(body, [...path, 'stages']));
    for (let index = 0; index < body.stages.length; index++) {
      const { pipeline } = body.stages[index]!;
      if (pipeline !== undefined) open.push({ body: pipeline, path: [...path, 'stages', index, 'pipeline'] });
    }
  }
  return faults;
}

function faultsOfLevel({ stages }: PipelineBody, path: DefinitionPath): Fault[] {
  const hooks = new Set(stages.filter(({ hook }) => hook !== undefined).map(({ name }) => name));
  if (hooks.size === 0) return [];
  if (hooks.size === stages.length) {
    return [{ code: 'ONLY_HOOKS', message: 'a level needs a stage that is no hook', path }];
  }
  return stages.flatMap(({ name, dependsOn }, index) =>
    dependsOn.flatMap((wanted, position) => {
      if (!hooks.has(wanted)) return [];
      const message = `"${name}" depends on "${wanted}", which is a hook: hooks run when all other stages have ended`;
      return [{ code: 'HOOK_DEPENDENCY', message, path: [...path, index, 'dependsOn', position] }];
    }),
  );
}
