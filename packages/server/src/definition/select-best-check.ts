import type { PipelineBody, PipelineDefinition } from '@trainyard/protocol/definition';
import { didYouMean } from './did-you-mean.ts';
import { clip, type DefinitionPath, type Fault } from './faults.ts';

/** Stages that compare the runs of a stage that they do not wait for. */
export function selectBestFaults(definition: PipelineDefinition): Fault[] {
  const faults: Fault[] = [];
  const open: { readonly body: PipelineBody; readonly path: DefinitionPath }[] = [
    { body: definition, path: [] },
  ];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const { body, path } = next;
    for (const [index, { pipeline, select_best: select, dependsOn }] of body.stages.entries()) {
      const place = [...path, 'stages', index];
      if (pipeline !== undefined) open.push({ body: pipeline, path: [...place, 'pipeline'] });
      if (select === undefined || dependsOn.includes(select.from)) continue;
      const message = `"from" names ${clip(select.from)}, which is none of the stage's "dependsOn"${didYouMean(select.from, dependsOn)}`;
      faults.push({ code: 'UNKNOWN_STAGE', message, path: [...place, 'select_best', 'from'] });
    }
  }
  return faults;
}
