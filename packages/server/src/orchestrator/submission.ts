import { createHash } from 'node:crypto';
import type { Plan } from '@trainyard/dag';
import type { CacheBasis, PipelineDefinition, PipelineVersionId, UsedPipeline } from '@trainyard/protocol';
import type { RerunOf } from '../rerun/rerun.ts';

/** A run to be stored and started; its definition is checked and its params are resolved. */
export interface Submission {
  readonly definition: PipelineDefinition;
  readonly plan: Plan;
  /** Needs nothing from elsewhere: it is read again after a restart. */
  readonly source: string;
  /** What was written, where other pipelines were put into it, or it was in an older form. */
  readonly written?: string | undefined;
  readonly uses?: readonly UsedPipeline[];
  readonly params: Record<string, unknown>;
  readonly baseDir: string | null;
  readonly fileName: string | null;
  readonly idempotencyKey: string | null;
  /** The registered pipeline that this is a run of. */
  readonly pipeline?: PipelineVersionId | undefined;
  /** The run that this one does again. */
  readonly rerunOf?: RerunOf | undefined;
  /** Paths of stages: only these and what they depend on. */
  readonly only?: readonly string[] | undefined;
  readonly cacheBasis?: CacheBasis | undefined;
  /** Uses no results of other runs. */
  readonly noCache?: boolean | undefined;
  readonly origin?: RunOrigin | undefined;
  /**
   * What was asked for, where that is not the source: "the newest version" asked twice is the same request,
   * whatever was registered meanwhile.
   */
  readonly asked?: unknown;
}

/** Where a run comes from. */
export interface RunOrigin {
  /** Owner of the token that it was submitted with. */
  readonly createdBy: string | null;
  /** Of a training that goes on where another run ended. */
  readonly resumes?: ResumedRun | undefined;
}

export interface ResumedRun {
  readonly runId: string;
  readonly checkpoint: string | null;
  readonly adjustments: Readonly<Record<string, unknown>>;
}

/** Tells whether two submissions ask for the same: one idempotency key stands for one of them. */
export function requestHash({
  source,
  params,
  baseDir,
  only,
  noCache,
  asked,
}: Pick<Submission, 'source' | 'params' | 'baseDir' | 'only' | 'noCache' | 'asked'>): string {
  return createHash('sha256')
    .update(
      JSON.stringify(
        asked ?? [
          source,
          params,
          baseDir,
          ...(only === undefined ? [] : [only]),
          ...(noCache === true ? ['no cache'] : []),
        ],
      ),
    )
    .digest('hex');
}
