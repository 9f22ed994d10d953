import { nodeSnapshot } from '@trainyard/dag';
import {
  type AttemptCache,
  type AttemptSpec,
  placedPattern,
  type Run,
  type StageCache,
  stageCache,
} from '@trainyard/protocol';
import type { Kysely } from 'kysely';
import {
  cacheDigest,
  cacheKey,
  namesFiles,
  submittedHashes,
  type UpstreamResult,
  upstreamDigest,
} from '../cache/cache-key.ts';
import { filesElsewhere } from '../cache/files-elsewhere.ts';
import { type CachedResult, datasetsWrittenBy, findCached } from '../cache/stage-cache.ts';
import { asOneDecision, giveTurn } from '../definition/expression-work.ts';
import { canonicalJson } from '../rerun/canonical-json.ts';
import { stagePath } from '../rerun/kept-stages.ts';
import type { Schema } from '../store/schema.ts';
import { NOTHING_WANTED } from './agent-work.ts';
import { applyEvent } from './apply.ts';
import { leafKindOf } from './leaf-kinds.ts';
import { childrenOf, nodeAt, type OwnedTree, stageAt } from './owned-tree.ts';
import { stageSpec } from './stage-spec.ts';
import { takeCached } from './taken-over.ts';
import type { TreeChanges, WaitingLeaf } from './tree-changes.ts';
import { baseDirOf } from './used-unit.ts';

interface Asked extends WaitingLeaf {
  readonly changes: TreeChanges;
  readonly cache: StageCache;
}

/** What is known of the key of a leaf. */
interface Known {
  /** Undefined as long as files are not known. */
  readonly key?: string;
  /** What its agent has to know to find that out, or to see that it was still right when the leaf ran. */
  readonly cache?: AttemptCache;
  /** Why it has no key, where no agent can help. */
  readonly reason?: string;
}

/**
 * Ends leaves whose result is known with that result and starts the others, until none waits for an answer.
 * Part of `askStore`.
 */
export async function resolveCached(
  db: Kysely<Schema>,
  changes: readonly TreeChanges[],
  nowMs: number,
): Promise<void> {
  for (;;) {
    const asked = changes.flatMap((change) => takeAsked(change));
    if (asked.length === 0) return;
    const known = await keysOf(db, asked);
    const questions = asked.flatMap(({ changes: { tree }, node, cache }, at) => {
      const { key } = known[at]!;
      return key === undefined || hasToRun(tree, node) ? [] : [{ key, maxAgeMs: cache.maxAge ?? null }];
    });
    const found = await findCached(db, questions);
    for (const [at, one] of asked.entries()) {
      const { key } = known[at]!;
      const isWanted = key !== undefined && !hasToRun(one.changes.tree, one.node);
      answer(one, known[at]!, isWanted ? found.get(key) : undefined, nowMs);
      await giveTurn();
    }
  }
}

/** Nothing is looked up for what somebody wants to run: all of a run, or the stages that a re-run names. */
export function hasToRun({ noCache, rerun, runs }: OwnedTree, node: number): boolean {
  if (noCache || rerun?.request.all === true) return true;
  const { path } = runs[node]!;
  const isInside = (stage: string): boolean =>
    path === stage || path.startsWith(`${stage}/`) || path.startsWith(`${stage}[`);
  return rerun?.request.stages.some(isInside) ?? false;
}

function takeAsked(changes: TreeChanges): Asked[] {
  return changes.cacheable
    .splice(0)
    .map((leaf) => ({ ...leaf, changes, cache: stageCache(stageAt(changes.tree, leaf.node)!)! }));
}

function answer(
  { changes, node, attempt }: Asked,
  { key, cache, reason }: Known,
  result: CachedResult | undefined,
  nowMs: number,
): void {
  const { tree } = changes;
  const row = nodeSnapshot(tree.state, node);
  if (row.attempt !== attempt) return;
  if (row.status === 'cancelling') {
    // Asked to end in the same tick: it never started.
    applyEvent(changes, { type: 'leaf_finished', node, attempt, outcome: 'cancelled' }, nowMs);
    return;
  }
  if (row.status !== 'active') return;
  const run = tree.runs[node]!;
  // Of an earlier try, with other files.
  delete run.cacheKey;
  if (key !== undefined) run.cacheKey = key;
  if (reason !== undefined) changes.addEvent(node, 'run.not_cached', nowMs, { reason });
  if (result !== undefined) {
    applyEvent(changes, takeCached(changes, { node, attempt }, result, nowMs), nowMs);
    return;
  }
  const kind = leafKindOf(stageAt(tree, node)!);
  const followUp = asOneDecision(() => kind.start({ changes, node, attempt, nowMs, cache }));
  if (followUp !== undefined) applyEvent(changes, followUp, nowMs);
}

async function keysOf(db: Kysely<Schema>, asked: readonly Asked[]): Promise<Known[]> {
  const upstream = new Upstream();
  for (const { changes, node } of asked) upstream.add(changes.tree, node);
  const datasets = await datasetsWrittenBy(db, upstream.producers());
  const keyOf = (one: Asked): Known => {
    const { tree } = one.changes;
    const resolved = stageSpec({ ...tree, baseDir: null }, stageAt(tree, one.node)!, one.node, one.attempt);
    const built = resolved.ok ? resolved.build(NOTHING_WANTED) : resolved;
    // It is started all the same, and fails with that message.
    if (!built.ok) return { reason: built.error.message };
    const { spec } = built.attempt;
    const digest = cacheDigest(
      {
        pipeline: tree.definition.name,
        stage: stagePath(tree.runs[one.node]!.path),
        items: itemsAround(tree, one.node),
        work: workText(spec),
        params: spec.params,
        upstream: upstream.digests(tree, one.node, datasets),
      },
      one.cache,
    );
    return knownOf(one, spec, digest);
  };
  const known: Known[] = [];
  // They come tree by tree, and what one takes is none of another's matter.
  for (const ofTree of Map.groupBy(asked, ({ changes }) => changes).values()) {
    known.push(...asOneDecision(() => ofTree.map(keyOf)));
    await giveTurn();
  }
  return known;
}

function knownOf({ changes: { tree }, node, cache }: Asked, spec: AttemptSpec, digest: string): Known {
  const directory = baseDirOf({ ...tree, baseDir: null }, node) ?? '.';
  const hashes = submittedHashes(directory, cache, tree.cacheBasis);
  const key = hashes === undefined ? {} : { key: cacheKey(digest, hashes) };
  if (!namesFiles(cache)) return key;
  const placed = (patterns: readonly string[]) => patterns.map((each) => placedPattern(directory, each));
  const inputs = placed(cache.inputs);
  const code = cache.code === undefined ? null : placed(cache.code);
  const baseDir = tree.baseDir ?? '.';
  // Nor does a submit know them: it has read others, on its own machine.
  const reason = filesElsewhere(spec, [...inputs, ...(code ?? [])], baseDir);
  if (reason !== undefined) return { reason };
  const lookUp = !hasToRun(tree, node);
  return { ...key, cache: { digest, baseDir, inputs, code, lookUp, maxAgeMs: cache.maxAge ?? null } };
}

/** What an agent is asked to do. Secrets count by their names: what stands for them is new each time. */
function workText({ command, workingDir, env, builtin, remote, secrets = [] }: AttemptSpec): string {
  const { dir, condaEnv } = remote ?? {};
  let text = canonicalJson({ command, workingDir, env, builtin, dir, condaEnv });
  for (const { name, placeholder } of secrets) text = text.replaceAll(placeholder, `secret ${name}`);
  return text;
}

function itemsAround(tree: OwnedTree, node: number): unknown[] {
  return pathTo(tree, node).flatMap((at) => {
    const { item } = tree.runs[at]!;
    return item === null ? [] : [item.value];
  });
}

/** The leaves that others depend on; those of a level are looked up once for all that are on it. */
class Upstream {
  readonly #leaves = new Map<OwnedTree, Map<number, readonly Run[]>>();
  readonly #digests = new Map<readonly Run[], string>();

  add(tree: OwnedTree, node: number): void {
    const known = this.#leaves.get(tree) ?? new Map<number, readonly Run[]>();
    this.#leaves.set(tree, known);
    for (const at of pathTo(tree, node)) if (!known.has(at)) known.set(at, leavesBefore(tree, at));
  }

  producers(): string[] {
    const ids = new Set<string>();
    for (const known of this.#leaves.values()) {
      for (const leaves of known.values()) for (const leaf of leaves) ids.add(producerOf(leaf));
    }
    return [...ids];
  }

  digests(
    tree: OwnedTree,
    node: number,
    datasets: ReadonlyMap<string, UpstreamResult['datasets']>,
  ): string[] {
    return pathTo(tree, node).map((at) => {
      const leaves = this.#leaves.get(tree)!.get(at)!;
      const known = this.#digests.get(leaves);
      if (known !== undefined) return known;
      const digest = upstreamDigest(
        leaves.map((leaf) => {
          const { path, status, reason, outputs } = leaf;
          const producedBy = producerOf(leaf);
          return { path, status, reason, outputs, producedBy, datasets: datasets.get(producedBy) ?? [] };
        }),
      );
      this.#digests.set(leaves, digest);
      return digest;
    });
  }
}

function producerOf({ id, keptFrom, cachedFrom }: Run): string {
  return cachedFrom ?? keptFrom ?? id;
}

/** All leaves that a node depends on, directly or through others beside it, in their order. */
function leavesBefore(tree: OwnedTree, node: number): Run[] {
  const before = new Set<number>();
  const open = [...nodeAt(tree, node).dependsOn];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    if (before.has(next)) continue;
    before.add(next);
    for (const dependency of nodeAt(tree, next).dependsOn) open.push(dependency);
  }
  return [...before].sort((a, b) => a - b).flatMap((at) => leavesOf(tree, at));
}

function leavesOf(tree: OwnedTree, node: number): Run[] {
  if (!nodeAt(tree, node).isGroup) return [tree.runs[node]!];
  const children = childrenOf(tree, node);
  // One without children, such as a foreach without items, tells how it ended by itself.
  return children.length === 0 ? [tree.runs[node]!] : children.flatMap((child) => leavesOf(tree, child));
}

/** Numbers from the outermost stage in. */
function pathTo(tree: OwnedTree, node: number): number[] {
  const path: number[] = [];
  for (let at = node; at > 0; at = nodeAt(tree, at).parent) path.push(at);
  return path.reverse();
}
