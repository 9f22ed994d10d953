import { type AttemptSpec, type StageDefinition, stageKind } from '@trainyard/protocol';

/** What a stage says of how its program is watched and ended, whatever its kind. */
export function stageProgram(stage: StageDefinition): Pick<AttemptSpec, 'stopSignal'> {
  const { stopSignal } = (stage[stageKind(stage)] ?? {}) as Pick<AttemptSpec, 'stopSignal'>;
  return stopSignal === undefined ? {} : { stopSignal };
}
