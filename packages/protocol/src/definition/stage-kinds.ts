/** What a stage may be, once. Each is a key of a stage, and a stage has exactly one of them. */
export const STAGE_KINDS = [
  'job',
  'pipeline',
  'http',
  'function',
  'approval',
  'train_model',
  'run_evaluation',
  'preprocess_dataset',
  'cleanup_checkpoints',
  'select_best',
] as const;
export type StageKind = (typeof STAGE_KINDS)[number];

/** Priority of a stage that sets none, where it is not 0: training comes first, maintenance last. */
const DEFAULT_PRIORITIES: Readonly<Partial<Record<StageKind, number>>> = {
  train_model: 5,
  run_evaluation: 2,
  preprocess_dataset: -2,
  cleanup_checkpoints: -4,
};

type OfSomeKind = { readonly [kind in StageKind]?: unknown };

/** The kind of a checked stage, which has exactly one of these keys. */
export function stageKind(stage: OfSomeKind): StageKind {
  return STAGE_KINDS.find((kind) => stage[kind] !== undefined)!;
}

export function defaultPriority(kind: StageKind): number {
  return DEFAULT_PRIORITIES[kind] ?? 0;
}

export function stagePriority(stage: OfSomeKind & { readonly priority?: number | undefined }): number {
  return stage.priority ?? defaultPriority(stageKind(stage));
}
