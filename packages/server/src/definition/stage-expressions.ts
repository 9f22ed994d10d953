import {
  type JsonValue,
  type StageDefinition,
  type StageKind,
  stageKind,
} from '@trainyard/protocol/definition';
import { approvalTexts } from './approval-texts.ts';

type Parts = Readonly<Record<string, JsonValue>>;

/** The parts of what a stage is that may hold expressions; none of a nested pipeline, whose stages have their own. */
export function expressionParts(stage: StageDefinition): Parts {
  const kind = stageKind(stage);
  if (kind === 'pipeline') return {};
  if (kind === 'approval') return approvalTexts(stage.approval!) as Parts;
  if (kind !== 'job') return stage[kind] as unknown as Parts;
  const { command, env, workingDir, artifacts } = stage.job!;
  return { command, env, workingDir, artifacts };
}

/** Keys whose texts reach the process without being seen by others or kept: only there are secrets allowed. */
const SECRET_KEYS: Partial<Readonly<Record<StageKind, readonly string[]>>> = {
  job: ['env'],
  function: ['env'],
  train_model: ['env'],
  run_evaluation: ['env'],
  http: ['url', 'headers', 'query', 'json', 'body'],
};

export function mayHoldSecrets(stage: StageDefinition, key: string): boolean {
  return SECRET_KEYS[stageKind(stage)]?.includes(key) ?? false;
}

/** The parts that may name secrets. */
export function secretParts(stage: StageDefinition): Parts {
  const keys = SECRET_KEYS[stageKind(stage)];
  if (keys === undefined) return {};
  const parts = expressionParts(stage);
  return Object.fromEntries(keys.filter((key) => parts[key] !== undefined).map((key) => [key, parts[key]!]));
}
