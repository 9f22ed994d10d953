import type { PipelineVersionRef } from '@trainyard/protocol';
import { resolveParams } from '../definition/index.ts';
import { requestHash } from '../orchestrator/submission.ts';
import type { ServerContext } from '../server-context.ts';
import { createPipelineStore } from '../store/pipelines.ts';
import { submitChecked } from '../submit-checked.ts';
import { readRegisteredDefinition } from './read-submitted.ts';

export interface RegisteredRun {
  readonly name: string;
  readonly version: PipelineVersionRef;
  readonly params: Readonly<Record<string, unknown>>;
  /** Uses no results of other runs. */
  readonly noCache?: boolean | undefined;
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
  { name, version, params, noCache, idempotencyKey }: RegisteredRun,
): Promise<StartedRun> {
  const asked = ['pipeline', name, version, params, ...(noCache === true ? ['no cache'] : [])];
  const pipelines = createPipelineStore(context.database);
  // What was started stays the answer, whatever became of the pipeline since.
  const earlier = async (): Promise<StartedRun | undefined> => {
    if (idempotencyKey === null) return undefined;
    const requestSha256 = requestHash({ asked, source: '', params: {}, baseDir: null });
    const run = await pipelines.runByKey(idempotencyKey, requestSha256);
    return run === undefined ? undefined : { ...run, isNew: false };
  };
  const known = await earlier();
  if (known !== undefined) return known;
  const found = await pipelines.findForRun(name, version);
  const ready = await readRegisteredDefinition(found, { pipelines, maxDepth: context.maxDepth });
  const { rootId, isNew } = await submitChecked(context, {
    ...ready,
    params: resolveParams(ready.definition, params),
    baseDir: found.baseDir,
    fileName: found.fileName,
    noCache,
    idempotencyKey,
    pipeline: { name, version: found.version },
    asked,
  });
  const started = { id: rootId, version: found.version, isNew };
  // A request with the same key was faster, and may have found an older version to be the newest.
  return isNew ? started : ((await earlier()) ?? started);
}
