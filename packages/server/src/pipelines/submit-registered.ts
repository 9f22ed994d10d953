import type { PipelineVersionRef, RunPlan } from '@trainyard/protocol';
import { resolveParams } from '../definition/index.ts';
import { requestHash, type Submission } from '../orchestrator/submission.ts';
import type { ServerContext } from '../server-context.ts';
import { createPipelineStore } from '../store/pipelines.ts';
import { previewChecked, submitChecked } from '../submit-checked.ts';
import { readRegisteredDefinition } from './read-submitted.ts';

export interface RegisteredRun {
  readonly name: string;
  readonly version: PipelineVersionRef;
  readonly params: Readonly<Record<string, unknown>>;
  /** Uses no results of other runs. */
  readonly noCache?: boolean | undefined;
  /** Paths of the stages that it is limited to. */
  readonly only?: readonly string[] | undefined;
  readonly idempotencyKey: string | null;
}

interface StartedRun {
  readonly id: string;
  readonly version: number;
  readonly isNew: boolean;
}

/**
 * Starts a run of a registered pipeline, for whoever asks: a person, a schedule, a webhook.
 * @throws TrainyardError NOT_FOUND, CONFLICT when it is archived, INVALID_PARAMS, IDEMPOTENCY_MISMATCH,
 *   INVALID_DEFINITION when what it uses is not there any more or does not fit any more
 */
export async function submitRegistered(
  context: Pick<ServerContext, 'database' | 'orchestrator' | 'secrets' | 'maxDepth'>,
  run: RegisteredRun,
): Promise<StartedRun> {
  const { name, version, idempotencyKey } = run;
  const asked = askedOf(run);
  const pipelines = createPipelineStore(context.database);
  // What was started stays the answer, whatever became of the pipeline since.
  const earlier = async (): Promise<StartedRun | undefined> => {
    if (idempotencyKey === null) return undefined;
    const requestSha256 = requestHash({ asked, source: '', params: {}, baseDir: null });
    const started = await pipelines.runByKey(idempotencyKey, requestSha256);
    return started === undefined ? undefined : { ...started, isNew: false };
  };
  const known = await earlier();
  if (known !== undefined) return known;
  const found = await pipelines.findForRun(name, version);
  const { rootId, isNew } = await submitChecked(context, await submissionOf(context, found, run));
  const started = { id: rootId, version: found.version, isNew };
  // A request with the same key was faster, and may have found an older version to be the newest.
  return isNew ? started : ((await earlier()) ?? started);
}

/** What such a run would do; nothing is stored. @throws TrainyardError as `submitRegistered` */
export async function planRegistered(
  context: Pick<ServerContext, 'database' | 'secrets' | 'maxDepth' | 'attempts'>,
  run: RegisteredRun,
): Promise<RunPlan> {
  const found = await createPipelineStore(context.database).findForRun(run.name, run.version);
  return previewChecked(context, await submissionOf(context, found, run));
}

type Found = Awaited<ReturnType<ReturnType<typeof createPipelineStore>['findForRun']>>;

async function submissionOf(
  { database, maxDepth }: Pick<ServerContext, 'database' | 'maxDepth'>,
  found: Found,
  run: RegisteredRun,
): Promise<Submission> {
  const ready = await readRegisteredDefinition(found, { pipelines: createPipelineStore(database), maxDepth });
  return {
    ...ready,
    params: resolveParams(ready.definition, run.params),
    baseDir: found.baseDir,
    fileName: found.fileName,
    noCache: run.noCache,
    only: run.only,
    idempotencyKey: run.idempotencyKey,
    pipeline: { name: run.name, version: found.version },
    asked: askedOf(run),
  };
}

/** What one idempotency key stands for. */
function askedOf({ name, version, params, noCache, only }: RegisteredRun): unknown[] {
  const limits = [...(noCache === true ? ['no cache'] : []), ...(only === undefined ? [] : [{ only }])];
  return ['pipeline', name, version, params, ...limits];
}
