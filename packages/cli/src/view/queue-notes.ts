import {
  type AgentInfo,
  executorPlace,
  executorQueue,
  type PipelineBody,
  type RunTree,
  type RunWait,
  type StageDefinition,
  trainingExecutor,
} from '@trainyard/protocol';
import { descend } from '../find-run.ts';

type Stages = Pick<PipelineBody, 'stages'>;
type Serving = Pick<AgentInfo, 'queues' | 'gpus' | 'labels' | 'online'>;

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
  const notes = new Map<string, string>();
  for (const { runId, reason } of params.waits) {
    const before = notes.get(runId);
    notes.set(runId, before === undefined ? reason : `${before}; ${reason}`);
  }
  for (const run of descend(params.tree)) {
    if (run.status !== 'queued' || run.kind !== 'job') continue;
    const needs = needsAt(params.definition, run);
    const note = needs === undefined ? undefined : whyNobody(needs, online);
    if (note !== undefined) notes.set(run.id, note);
  }
  return notes;
}

/** What an agent must have to take a stage. */
interface Needs {
  /** Left out where only the server knows it. */
  readonly queue: string | undefined;
  readonly gpus: number;
  readonly labels: Readonly<Record<string, string>>;
  /** What to do where nobody has so many. */
  readonly help: string;
}

function whyNobody({ queue, gpus, labels, help }: Needs, online: readonly Serving[]): string | undefined {
  if (online.length === 0) return 'no agent is online: start one with trainyard agent, or trainyard up';
  const serving = online.filter((agent) => queue === undefined || agent.queues.includes(queue));
  if (serving.length === 0) {
    return `no agent that is online serves the queue "${queue}": ${howToServe(queue ?? '')}`;
  }
  const labelled = serving.filter((agent) =>
    Object.entries(labels).every(([key, value]) => agent.labels[key] === value),
  );
  if (labelled.length === 0) {
    const wanted = Object.entries(labels).map(([key, value]) => `${key}=${value}`);
    return `no agent that is online has the labels ${wanted.join(', ')}: start one with trainyard agent --label ${wanted[0]}`;
  }
  const most = Math.max(...labelled.map((agent) => agent.gpus ?? Number.POSITIVE_INFINITY));
  if (most >= gpus) return undefined;
  const where = queue === undefined ? '' : ` of the queue "${queue}"`;
  return `no agent${where} has ${gpus} GPUs; the largest has ${most}: ${help}`;
}

function howToServe(queue: string): string {
  const [, executor = ''] = queue.split('@');
  if (executor.startsWith('slurm')) return 'start one with trainyard slurm-agent';
  return executor === ''
    ? `start one with trainyard agent --queue ${queue}`
    : 'add the host with trainyard hosts add';
}

/** What the stage needs that a run is of: "sweep/large", or "tune[3]" for an item of a foreach. */
function needsAt(definition: Stages, run: RunTree): Needs | undefined {
  let body: Stages | undefined = definition;
  let stage: StageDefinition | undefined;
  for (const part of run.path.split('/')) {
    const name = part.replace(/\[\d+\]$/, '');
    stage = body?.stages.find((each) => each.name === name);
    body = stage?.pipeline;
  }
  return stage === undefined ? undefined : needsOf(stage, run);
}

function needsOf(stage: StageDefinition, { params }: RunTree): Needs | undefined {
  const training = stage.train_model ?? stage.run_evaluation ?? stage.cleanup_checkpoints;
  if (training !== undefined) {
    // The queue may be that of the training job; the GPUs of a training are in the config that it got.
    const gpus = stage.train_model === undefined ? 0 : Number(params['num_gpus'] ?? 0);
    const help =
      'set numGpus of the training job, or config.num_gpus of the stage, to what there is (0 for none)';
    const isRemote = 'runMode' in training && training.runMode !== 'local';
    const { executor } = executorPlace(isRemote ? trainingExecutor(training) : 'local');
    const queue = training.queue === undefined ? undefined : executorQueue(training.queue, executor);
    return { queue, gpus, labels: training.labels ?? {}, help };
  }
  const work = stage.job ?? stage.function ?? stage.http ?? stage.preprocess_dataset;
  if (work === undefined) return undefined;
  const help = 'lower resources.gpus of the stage, or start an agent with that many (trainyard agent --gpus)';
  const gpus = 'resources' in work ? work.resources.gpus : 0;
  const { executor } = executorPlace('executor' in work ? work.executor : 'local');
  return { queue: executorQueue(work.queue, executor), gpus, labels: work.labels ?? {}, help };
}
