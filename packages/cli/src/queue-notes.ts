import type { AgentInfo, PipelineBody, RunTree, RunWait, StageDefinition } from '@trainyard/protocol';
import { descend } from './find-run.ts';

type Stages = Pick<PipelineBody, 'stages'>;
type Serving = Pick<AgentInfo, 'queues' | 'gpus' | 'online'>;

/** For each queued job that cannot start now, whichever agent is free: why, by run id. */
export function queueNotes(params: {
  readonly tree: RunTree;
  /** Of the root run. */
  readonly definition: Stages;
  readonly agents: readonly Serving[];
  /** Pools and groups without room. */
  readonly waits: readonly RunWait[];
}): ReadonlyMap<string, string> {
  const online = params.agents.filter((agent) => agent.online);
  const notes = new Map(params.waits.map(({ runId, reason }) => [runId, reason]));
  for (const run of descend(params.tree)) {
    if (run.status !== 'queued' || run.kind !== 'job') continue;
    const needs = needsAt(params.definition, run.path);
    const note = needs === undefined ? undefined : whyNobody(needs, online);
    if (note !== undefined) notes.set(run.id, note);
  }
  return notes;
}

/** What an agent must have to take a stage. */
interface Needs {
  readonly queue: string;
  readonly gpus: number;
}

function whyNobody({ queue, gpus }: Needs, online: readonly Serving[]): string | undefined {
  if (online.length === 0) return 'no agent is online';
  const serving = online.filter((agent) => agent.queues.includes(queue));
  if (serving.length === 0) return `no agent that is online serves the queue "${queue}"`;
  const most = Math.max(...serving.map((agent) => agent.gpus));
  if (most >= gpus) return undefined;
  return `no agent of the queue "${queue}" has ${gpus} GPUs; the largest has ${most}`;
}

/** What the stage at a path such as "sweep/large" needs; "tune[3]" is an item of a foreach. */
function needsAt(definition: Stages, path: string): Needs | undefined {
  let body: Stages | undefined = definition;
  let stage: StageDefinition | undefined;
  for (const part of path.split('/')) {
    const name = part.replace(/\[\d+\]$/, '');
    stage = body?.stages.find((each) => each.name === name);
    body = stage?.pipeline;
  }
  return stage === undefined ? undefined : needsOf(stage);
}

function needsOf(stage: StageDefinition): Needs | undefined {
  const work = stage.job ?? stage.function ?? stage.http;
  if (work === undefined) return undefined;
  return { queue: work.queue, gpus: 'resources' in work ? work.resources.gpus : 0 };
}
