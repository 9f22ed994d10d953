import type { PipelineBody } from '@trainyard/protocol/definition';

interface DefinitionSize {
  /** Stages of all levels; a foreach counts once. */
  readonly stages: number;
  /** Levels of pipelines, the outermost included. */
  readonly depth: number;
}

/** How large a definition is before any foreach has got its items. */
export function definitionSize(definition: PipelineBody): DefinitionSize {
  let stages = 0;
  let depth = 1;
  const open: { readonly body: PipelineBody; readonly level: number }[] = [{ body: definition, level: 1 }];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { body, level } = next;
    depth = Math.max(depth, level);
    stages += body.stages.length;
    for (const { pipeline } of body.stages) {
      if (pipeline !== undefined) open.push({ body: pipeline, level: level + 1 });
    }
  }
  return { stages, depth };
}
