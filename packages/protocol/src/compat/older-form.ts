import type { JsonValue, PipelineDefinition } from '../definition/index.ts';

/** Keys and indices from a document's root. */
export type DocumentPath = readonly (string | number)[];

/** What an older document holds that cannot be run here, at its place in that document. */
export interface OlderFormFault {
  readonly code: string;
  readonly message: string;
  readonly path: DocumentPath;
  /** Set when the key is at fault and not its value. */
  readonly at?: 'key';
}

/** A definition of an older system in our words. */
export interface OlderFormMapping {
  /** Complete even when there are faults: what cannot run has a stand-in, so that the rest can be judged. */
  readonly definition: PipelineDefinitionInput;
  readonly faults: readonly OlderFormFault[];
  /**
   * Path in the given document for a path in `definition`. Where one value comes from several, or from a
   * default, the path of the closest thing that the document has. Steps inside an inner DAG that was given
   * as a JSON text continue the path of that text.
   */
  readonly paths: (path: DocumentPath) => DocumentPath;
}

/** A stage as `pipelineDefinition` reads it. */
export interface StageInput {
  readonly name: string;
  readonly dependsOn?: readonly string[];
  readonly params?: { readonly [key: string]: JsonValue };
  readonly retry?: {
    readonly attempts: number;
    readonly backoff: string | number;
    readonly factor: number;
    readonly maxBackoff: string | number;
  };
  readonly timeout?: string;
  readonly priority?: number;
  /** `command`, `env` and `workingDir` are as the document has them: the schema judges them. */
  readonly job?: { readonly [key: string]: JsonValue };
  readonly http?: { readonly [key: string]: JsonValue };
  readonly function?: { readonly [key: string]: JsonValue };
  readonly train_model?: { readonly [key: string]: JsonValue };
  readonly run_evaluation?: { readonly [key: string]: JsonValue };
  readonly preprocess_dataset?: { readonly [key: string]: JsonValue };
  readonly cleanup_checkpoints?: { readonly [key: string]: JsonValue };
  readonly pipeline?: PipelineBodyInput | PipelineUseInput;
}

/** A registered pipeline, with values for its params. */
export interface PipelineUseInput {
  readonly use: string;
  readonly params: { readonly [key: string]: JsonValue };
}

export interface PipelineBodyInput {
  readonly maxParallel?: number;
  readonly failPolicy?: FailPolicy;
  readonly stages: readonly StageInput[];
}

/** What `pipelineDefinition` reads; `PipelineDefinition` is what it gives. */
export interface PipelineDefinitionInput extends PipelineBodyInput {
  readonly name: string;
  readonly description?: string;
}

export type FailPolicy = PipelineDefinition['failPolicy'];

/** One level of stages and the place in the document where they came from. */
export interface LevelPlaces {
  /** Path of the list of stages or tasks. */
  readonly list: DocumentPath;
  readonly items: readonly JsonValue[];
  /** Path of the value of a key of the level itself, such as `maxParallel`. */
  readonly levelPath: (key: string) => DocumentPath;
  /** Path of a value of a stage, from that stage; `rest` is its path in our words. */
  readonly stagePath: (rest: DocumentPath, item: JsonValue | undefined) => DocumentPath;
  /** The levels inside, by the index of their stage. */
  readonly inner: ReadonlyMap<number, LevelPlaces>;
}

/** Follows a path in our words through the levels that it passes. */
export function sourcePath(level: LevelPlaces, path: DocumentPath): DocumentPath {
  const [key, index, ...rest] = path;
  if (key === undefined) return level.list.slice(0, -1);
  if (key !== 'stages') return level.levelPath(String(key));
  if (typeof index !== 'number') return level.list;
  const inner = rest[0] === 'pipeline' ? level.inner.get(index) : undefined;
  if (inner !== undefined) return sourcePath(inner, rest.slice(1));
  return [...level.list, index, ...level.stagePath(rest, level.items[index])];
}

/** Stands for what cannot be run, so that names and dependencies around it can still be judged. */
export const STAND_IN_JOB = { command: 'false' } as const;

export const STAND_IN_STAGE: StageInput = { name: 'none', dependsOn: [], priority: 0, job: STAND_IN_JOB };
