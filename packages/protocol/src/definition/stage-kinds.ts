/** What a stage may be, once. Each is a key of a stage, and a stage has exactly one of them. */
export const STAGE_KINDS = ['job', 'pipeline', 'http', 'function', 'approval'] as const;
export type StageKind = (typeof STAGE_KINDS)[number];

/** The kind of a checked stage, which has exactly one of these keys. */
export function stageKind(stage: { readonly [kind in StageKind]?: unknown }): StageKind {
  return STAGE_KINDS.find((kind) => stage[kind] !== undefined)!;
}
