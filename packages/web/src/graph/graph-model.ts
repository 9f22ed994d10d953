import { isTerminalRunStatus, type Run, type RunStatus, type StatusCounts } from '@trainyard/protocol';
import { ancestry, type RunModel } from '../runs/run-model.ts';
import { type LayoutEdge, longestPathRanks, withoutImplied } from './layout.ts';

/** Nodes drawn at most before groups stay closed by themselves. */
export const MAX_VISIBLE = 300;
/** Stages of one level drawn one by one; more are folded into bundles of neighbouring columns. */
export const MAX_PER_LEVEL = 60;
/** Trees up to this size are drawn whole. */
const SMALL_TREE = 60;
const BUNDLE_COLUMNS = 12;
const MAX_SINGLED_OUT = 12;

export type GraphNode =
  | { readonly kind: 'stage'; readonly id: string; readonly run: Run }
  | {
      readonly kind: 'group';
      readonly id: string;
      readonly run: Run;
      readonly inside: GraphLevel | undefined;
    }
  | { readonly kind: 'bundle'; readonly id: string; readonly ids: readonly string[] };

/** One level of the nested graph: nodes side by side and the edges between them. */
export interface GraphLevel {
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly LayoutEdge[];
}

export interface GraphOptions {
  /** Groups that the user opened (true) or closed (false). */
  readonly toggled: ReadonlyMap<string, boolean>;
  readonly selectedId: string | undefined;
  readonly counts: ReadonlyMap<string, StatusCounts>;
}

/** What is drawn of a run tree: which groups are open, what is folded, and how many stages are to be seen. */
export function buildGraph(model: RunModel, options: GraphOptions): { level: GraphLevel; visible: number } {
  const open = chooseOpen(model, options);
  return buildLevel(model, model.rootId, open, options);
}

/**
 * Groups to draw open. The user's choice comes first, then the way to the selection, then failed groups,
 * then running ones; small trees are open as a whole. Stops when the picture would get too large.
 */
export function chooseOpen(model: RunModel, options: GraphOptions): ReadonlySet<string> {
  const groups = model.order.filter((id) => id !== model.rootId && model.children.has(id));
  const small = model.order.length <= SMALL_TREE;
  const selected = options.selectedId === undefined ? undefined : model.runs.get(options.selectedId);
  const above = new Set(
    selected === undefined
      ? []
      : ancestry(model, selected)
          .slice(0, -1)
          .map((run) => run.id),
  );

  const wanted = groups
    .map((id) => ({ id, urgency: urgency(model.runs.get(id)!, id, options, above, small) }))
    .filter((entry) => entry.urgency > 0)
    .sort((a, b) => b.urgency - a.urgency);

  const open = new Set<string>([model.rootId]);
  let visible = levelSize(model, model.rootId);
  for (const { id, urgency: weight } of wanted) {
    const size = levelSize(model, id);
    if (weight < USER && visible + size > MAX_VISIBLE) continue;
    open.add(id);
    visible += size;
  }
  return open;
}

const USER = 100;

function urgency(
  run: Run,
  id: string,
  options: GraphOptions,
  above: ReadonlySet<string>,
  small: boolean,
): number {
  const choice = options.toggled.get(id);
  if (choice !== undefined) return choice ? USER : 0;
  if (above.has(id)) return 90;
  const counts = options.counts.get(id) ?? {};
  if (has(counts, 'failed', 'timed_out') || isFailed(run.status)) return 80;
  if (has(counts, 'running', 'starting', 'waiting', 'paused', 'cancelling')) return 70;
  return small ? 60 - run.depth : 0;
}

function buildLevel(
  model: RunModel,
  parentId: string,
  open: ReadonlySet<string>,
  options: GraphOptions,
): { level: GraphLevel; visible: number } {
  const runs = (model.children.get(parentId) ?? []).flatMap((id) => model.runs.get(id) ?? []);
  const edges = edgesOf(runs);
  if (runs.length > MAX_PER_LEVEL) return foldLevel(model, runs, edges, open, options);
  let visible = 0;
  const nodes = runs.map((run): GraphNode => {
    const result = toNode(model, run, open, options);
    visible += result.visible;
    return result.node;
  });
  return { level: { nodes, edges: withoutImplied(nodes, edges) }, visible };
}

function toNode(
  model: RunModel,
  run: Run,
  open: ReadonlySet<string>,
  options: GraphOptions,
): { node: GraphNode; visible: number } {
  if (!model.children.has(run.id)) return { node: { kind: 'stage', id: run.id, run }, visible: 1 };
  if (!open.has(run.id)) return { node: { kind: 'group', id: run.id, run, inside: undefined }, visible: 1 };
  const { level, visible } = buildLevel(model, run.id, open, options);
  return { node: { kind: 'group', id: run.id, run, inside: level }, visible: visible + 1 };
}

/**
 * A level with too many stages: neighbouring columns are folded into bundles. What the user looks for
 * stays single: the selection, the failed, the running. An edge is kept only where it goes to a later
 * place, so that folding never makes a cycle.
 */
function foldLevel(
  model: RunModel,
  runs: readonly Run[],
  edges: readonly LayoutEdge[],
  open: ReadonlySet<string>,
  options: GraphOptions,
): { level: GraphLevel; visible: number } {
  const ranks = longestPathRanks(runs, edges);
  const columns = 1 + Math.max(...ranks.values());
  const perBundle = Math.max(1, Math.ceil(columns / BUNDLE_COLUMNS));
  const single = singledOut(runs, options.selectedId, model);
  const bundles = new Map<number, string[]>();
  const nodes: GraphNode[] = [];
  const home = new Map<string, { id: string; place: number }>();
  let visible = 0;
  for (const run of runs) {
    const bundle = Math.floor((ranks.get(run.id) ?? 0) / perBundle);
    if (single.has(run.id)) {
      const result = toNode(model, run, open, options);
      nodes.push(result.node);
      visible += result.visible;
      home.set(run.id, { id: run.id, place: bundle * 2 + (perBundle > 1 ? 1 : 0) });
    } else {
      const id = `bundle:${runs[0]!.parentId}:${bundle}`;
      const ids = bundles.get(bundle);
      if (ids === undefined) bundles.set(bundle, [run.id]);
      else ids.push(run.id);
      home.set(run.id, { id, place: bundle * 2 });
    }
  }
  for (const [bundle, ids] of bundles) {
    const id = `bundle:${runs[0]!.parentId}:${bundle}`;
    const [only] = ids;
    if (ids.length === 1 && only !== undefined) {
      // A bundle of one would only hide its name.
      const result = toNode(model, model.runs.get(only)!, open, options);
      nodes.push(result.node);
      visible += result.visible;
      home.set(only, { id: only, place: bundle * 2 });
    } else {
      nodes.push({ kind: 'bundle', id, ids });
      visible += 1;
    }
  }
  return { level: { nodes, edges: withoutImplied(nodes, foldEdges(edges, home)) }, visible };
}

function foldEdges(
  edges: readonly LayoutEdge[],
  home: ReadonlyMap<string, { id: string; place: number }>,
): LayoutEdge[] {
  const folded = new Map<string, LayoutEdge>();
  for (const edge of edges) {
    const from = home.get(edge.from);
    const to = home.get(edge.to);
    if (from === undefined || to === undefined || from.place >= to.place) continue;
    folded.set(`${from.id}>${to.id}`, { from: from.id, to: to.id });
  }
  return [...folded.values()];
}

function singledOut(runs: readonly Run[], selectedId: string | undefined, model: RunModel): Set<string> {
  const selected = selectedId === undefined ? undefined : model.runs.get(selectedId);
  const above = new Set(selected === undefined ? [] : ancestry(model, selected).map((run) => run.id));
  const first = runs.filter((run) => above.has(run.id));
  const failed = runs.filter((run) => isFailed(run.status));
  const active = runs.filter((run) => run.status !== 'pending' && !isTerminalRunStatus(run.status));
  return new Set([...first, ...failed, ...active].slice(0, MAX_SINGLED_OUT).map((run) => run.id));
}

function edgesOf(runs: readonly Run[]): LayoutEdge[] {
  // By name once per level: asking for each run alone would take quadratic time in wide levels.
  const byName = new Map(runs.flatMap((run) => [[run.name, run.id] as const, [run.path, run.id] as const]));
  return runs.flatMap((run) =>
    run.dependsOn.flatMap((name) => {
      const from = byName.get(name);
      return from === undefined ? [] : [{ from, to: run.id }];
    }),
  );
}

function levelSize(model: RunModel, id: string): number {
  return Math.min(model.children.get(id)?.length ?? 0, MAX_PER_LEVEL);
}

function has(counts: StatusCounts, ...statuses: RunStatus[]): boolean {
  return statuses.some((status) => (counts[status] ?? 0) > 0);
}

function isFailed(status: RunStatus): boolean {
  return status === 'failed' || status === 'timed_out';
}
