import type { AgentInfo, JobDefinition, PipelineBody, RunTree, StageDefinition } from '@trainyard/protocol';
import { descend } from './find-run.ts';

type Stages = Pick<PipelineBody, 'stages'>;
type Serving = Pick<AgentInfo, 'queues' | 'gpus' | 'online'>;

/** For each queued job that no agent which is online can take: why, by run id. */
export function queueNotes(params: {
  readonly tree: RunTree;
  /** Of the root run. */
  readonly definition: Stages;
  readonly agents: readonly Serving[];
}): ReadonlyMap<string, string> {
  const online = params.agents.filter((agent) => agent.online);
  const notes = new Map<string, string>();
  for (const run of descend(params.tree)) {
    if (run.status !== 'queued' || run.kind !== 'job') continue;
    const job = jobAt(params.definition, run.path);
    const note = job === undefined ? undefined : whyNobody(job, online);
    if (note !== undefined) notes.set(run.id, note);
  }
  return notes;
}

function whyNobody(
  { queue, resources: { gpus } }: JobDefinition,
  online: readonly Serving[],
): string | undefined {
  if (online.length === 0) return 'no agent is online';
  const serving = online.filter((agent) => agent.queues.includes(queue));
  if (serving.length === 0) return `no agent that is online serves the queue "${queue}"`;
  const most = Math.max(...serving.map((agent) => agent.gpus));
  if (most >= gpus) return undefined;
  return `no agent of the queue "${queue}" has ${gpus} GPUs; the largest has ${most}`;
}

/** The job of the stage at a path such as "sweep/large", or "tune[3]" for an item of a foreach. */
function jobAt(definition: Stages, path: string): JobDefinition | undefined {
  let body: Stages | undefined = definition;
  let job: JobDefinition | undefined;
  for (const part of path.split('/')) {
    const name = part.replace(/\[\d+\]$/, '');
    const stage: StageDefinition | undefined = body?.stages.find((each) => each.name === name);
    job = stage?.job;
    body = stage?.pipeline;
  }
  return job;
}
