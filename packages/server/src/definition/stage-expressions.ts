import { type JsonValue, type StageDefinition, stageKind } from '@trainyard/protocol';
import { approvalTexts } from './approval-texts.ts';

/** The parts of what a stage is that may hold expressions; null for a nested pipeline, whose stages have their own. */
export function expressionParts(stage: StageDefinition): JsonValue {
  const kind = stageKind(stage);
  if (kind === 'pipeline') return null;
  if (kind === 'approval') return approvalTexts(stage.approval!);
  if (kind !== 'job') return stage[kind] as unknown as JsonValue;
  const { command, env, workingDir } = stage.job!;
  return { command, env, workingDir };
}
