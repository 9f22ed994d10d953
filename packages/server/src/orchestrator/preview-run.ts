import {
  type AgentInfo,
  type Hook,
  type JsonValue,
  type PlannedStage,
  type Run,
  type RunPlan,
  type StageDefinition,
  stageCache,
  stageKind,
} from '@trainyard/protocol';
import type { Kysely } from 'kysely';
import { namesFiles } from '../cache/cache-key.ts';
import { expressionReferences } from '../definition/expression-references.ts';
import { asOneDecision } from '../definition/expression-work.ts';
import { expressionParts } from '../definition/stage-expressions.ts';
import { requirePools } from '../limits/require-pools.ts';
import { readRerun } from '../rerun/rerun.ts';
import type { Schema } from '../store/schema.ts';
import { NOTHING_WANTED } from './agent-work.ts';
import { applyEvent } from './apply.ts';
import { askStore } from './ask-store.ts';
import { hasToRun } from './cached-leaves.ts';
import { childrenOf, newTree, nodeAt, type OwnedTree, stageAt } from './owned-tree.ts';
import { serverWarnings } from './server-warnings.ts';
import { stageSpec } from './stage-spec.ts';
import type { Submission } from './submission.ts';
import { placeOf } from './taken-over.ts';
import { type NewAttempt, TreeChanges } from './tree-changes.ts';

/** The part of an attempt that a plan shows. */
interface Work {
  readonly queue: string | null;
  readonly gpus: number;
  readonly labels: Readonly<Record<string, string>> | null;
  readonly command: PlannedStage['command'];
  readonly isResolved: boolean;
}

/**
 * What a run would do, found out by deciding its first moment as for a real one, without storing anything.
 * @throws TrainyardError as `Orchestrator.submit`
 */
export async function previewRun(
  db: Kysely<Schema>,
  submission: Submission,
  { agents, nowMs }: { readonly agents: readonly AgentInfo[]; readonly nowMs: number },
): Promise<RunPlan> {
  await requirePools(db, submission.definition);
  const rerun = await readRerun(db, submission.rerunOf, submission, true);
  const tree = newTree({ ...submission, rerun, nowMs });
  const changes = new TreeChanges(tree);
  applyEvent(changes, { type: 'start' }, nowMs);
  await askStore(db, [changes], nowMs);
  const started = new Map(changes.attempts.map((attempt) => [attempt.node, attempt]));
  const layers = layersOf(tree);
  const warnings = await serverWarnings(db, submission.definition);
  const plan = (run: Run): PlannedStage => {
    const work = workOf(tree, run.index, started.get(run.index));
    const { queue, command, isResolved } = work;
    const planned = outcomeOf(tree, run, started.get(run.index));
    const why =
      planned.outcome === 'run' && queue !== null ? whyNobody({ ...work, queue }, agents) : undefined;
    if (why !== undefined) warnings.push({ path: run.path, message: why });
    return {
      path: run.path,
      kind: stageKind(stageAt(tree, run.index)!),
      layer: layers.get(run.index) ?? 1,
      dependsOn: run.dependsOn,
      foreach: nodeAt(tree, run.index).foreach !== null,
      ...planned,
      notKept: planned.outcome === 'run' ? whyNotKept(tree, run.index) : null,
      queue,
      command,
      isResolved,
    };
  };
  const stages = asOneDecision(() => [...stagesInOrder(tree)].map(plan));
  return { name: submission.definition.name, params: submission.params, stages, warnings };
}

function outcomeOf(
  tree: OwnedTree,
  run: Run,
  started: NewAttempt | undefined,
): Pick<PlannedStage, 'outcome' | 'reason' | 'from'> {
  const { status, reason, error, keptFrom, cachedFrom } = run;
  if (keptFrom !== undefined) return { outcome: 'kept', reason: null, from: keptFrom };
  if (cachedFrom !== undefined) return { outcome: 'cached', reason: null, from: cachedFrom };
  if (status === 'skipped') return { outcome: 'skipped', reason, from: null };
  if (status === 'failed') return { outcome: 'failed', reason: error?.message ?? reason, from: null };
  const reasons = [onlyIf(tree, run), unlessCached(tree, run, started)].filter((each) => each !== null);
  return { outcome: 'run', reason: reasons.length === 0 ? null : reasons.join('; '), from: null };
}

/** Of a cached stage: when it is decided whether its result is in the cache, where that cannot be told yet. */
function unlessCached(
  tree: OwnedTree,
  { index, status, cacheKey }: Run,
  started: NewAttempt | undefined,
): string | null {
  const cache = stageCache(stageAt(tree, index)!);
  if (cache === undefined || hasToRun(tree, index)) return null;
  if (started === undefined) {
    if (status !== 'pending') return null;
    return namesFiles(cache) ? CACHED_BY_FILES : CACHED_IN_ITS_TURN;
  }
  // The key is known here only where the files are.
  return cacheKey === undefined && started.spec.cache?.lookUp === true ? CACHED_BY_FILES : null;
}

const CACHED_BY_FILES = 'may be taken from the cache (decided when an agent has read its files)';
const CACHED_IN_ITS_TURN = 'may be taken from the cache (decided when what it depends on has ended)';

/** Of a stage that has not been judged yet: on what it depends whether it runs. */
function onlyIf(tree: OwnedTree, { index, status }: Run): string | null {
  if (status !== 'pending') return null;
  const { hook, triggerRule, when } = stageAt(tree, index)!;
  const conditions = [
    hook === undefined ? undefined : IF_HOOK[hook],
    IF_RULE[triggerRule],
    typeof when === 'string' ? 'its condition holds' : undefined,
  ].filter((each) => each !== undefined);
  return conditions.length === 0 ? null : `only if ${conditions.join(' and ')}`;
}

const IF_HOOK: Readonly<Record<Hook, string | undefined>> = {
  onFailure: 'its level fails or times out',
  onCancel: 'its level is cancelled',
  always: undefined,
};
const IF_RULE: Readonly<Partial<Record<StageDefinition['triggerRule'], string>>> = {
  one_success: 'a dependency ends well',
  one_failed: 'a dependency fails',
  all_failed: 'all dependencies fail',
};

/** Of a stage of a re-run that would run: why the earlier run's results do not stand for it. */
function whyNotKept(tree: OwnedTree, node: number): string | null {
  if (tree.rerun === null || nodeAt(tree, node).isGroup) return null;
  return tree.rerun.results.whyNot(placeOf(tree, node)!);
}

function workOf(tree: OwnedTree, node: number, started: NewAttempt | undefined): Work {
  const stage = stageAt(tree, node)!;
  const isJob = stage.job !== undefined;
  if (nodeAt(tree, node).isGroup && nodeAt(tree, node).foreach === null) return NO_WORK;
  const attempt = started ?? (isKnown(tree, node) ? attemptOf(tree, node) : undefined);
  if (attempt !== undefined) {
    const { queue, gpus, labels, spec } = attempt;
    return { queue, gpus, labels, command: isJob ? spec.command : null, isResolved: true };
  }
  if (stage.job === undefined) return NO_WORK;
  const { queue, resources, command, labels = null } = stage.job;
  return { queue, gpus: resources.gpus, labels, command, isResolved: false };
}

const NO_WORK: Work = { queue: null, gpus: 0, labels: null, command: null, isResolved: true };

/** Nothing that its expressions name is still to come. */
function isKnown(tree: OwnedTree, node: number): boolean {
  const stage = stageAt(tree, node)!;
  if (stageKind(stage) !== 'job' || nodeAt(tree, node).foreach !== null) return false;
  // The params of everything around it may hold expressions, too.
  for (let at = node; at > 0; at = nodeAt(tree, at).parent) {
    const around = stageAt(tree, at)!;
    const texts = [around.params, around.pipeline?.used?.given ?? null, expressionParts(around)];
    for (const { root } of expressionReferences(texts as JsonValue)) {
      if (root !== 'params' && root !== 'run' && root !== 'secrets') return false;
    }
  }
  return true;
}

function attemptOf(tree: OwnedTree, node: number): NewAttempt | undefined {
  const resolved = stageSpec(tree, stageAt(tree, node)!, node, 1);
  const built = resolved.ok ? resolved.build(NOTHING_WANTED) : resolved;
  return built.ok ? built.attempt : undefined;
}

/** All stages as a reader expects them: what is inside of a stage, or its items, directly behind it. */
function* stagesInOrder(tree: OwnedTree): Generator<Run> {
  const open = [...childrenOf(tree, 0)].reverse();
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    yield tree.runs[node]!;
    open.push(...[...childrenOf(tree, node)].reverse());
  }
}

function layersOf(tree: OwnedTree): ReadonlyMap<number, number> {
  const layers = new Map<number, number>();
  for (const { index } of tree.runs) {
    const { group } = nodeAt(tree, index);
    for (const [layer, nodes] of (group?.layers ?? []).entries()) {
      for (const node of nodes) layers.set(node, layer + 1);
    }
    // The items of a foreach stand where it stands.
    const { item, parent } = nodeAt(tree, index);
    if (item !== null) layers.set(index, layers.get(parent) ?? 1);
  }
  return layers;
}

function whyNobody(
  { queue, gpus, labels }: Pick<Work, 'gpus' | 'labels'> & { readonly queue: string },
  agents: readonly AgentInfo[],
): string | undefined {
  const online = agents.filter((agent) => agent.online);
  if (online.length === 0) return 'no agent is online';
  const serving = online.filter((agent) => agent.queues.includes(queue));
  if (serving.length === 0) return `no agent that is online serves the queue "${queue}"`;
  const wanted = Object.entries(labels ?? {});
  const labelled = serving.filter((agent) => wanted.every(([key, value]) => agent.labels[key] === value));
  if (labelled.length === 0) {
    const named = wanted.map(([key, value]) => `${key}=${value}`).join(', ');
    return `no agent that is online and serves the queue "${queue}" has the labels ${named}`;
  }
  const most = Math.max(...labelled.map((agent) => agent.gpus ?? Number.POSITIVE_INFINITY));
  if (most >= gpus) return undefined;
  return `no agent of the queue "${queue}" has ${gpus} GPUs; the largest has ${most}`;
}
