import type { Draft } from './draft.ts';
import type { NodeError } from './events.ts';
import type { NodeStatus, TerminalStatus } from './node-status.ts';
import { walkBelow } from './subtree.ts';

export interface RunResult {
  readonly status: TerminalStatus;
  readonly error: NodeError | null;
  /** All nodes but the root, groups included, in the order of the definition. Made when first read. */
  readonly nodes: readonly NodeResult[];
  /** Made when first read. */
  readonly summary: RunSummary;
}

export interface NodeResult {
  readonly path: string;
  readonly status: NodeStatus;
  readonly attempt: number;
  readonly error: NodeError | null;
}

/** Paths by how they ended: `completed` includes stopped, `failed` includes timed out. */
export interface RunSummary {
  readonly total: number;
  readonly completed: readonly string[];
  readonly failed: readonly string[];
  readonly skipped: readonly string[];
  readonly cancelled: readonly string[];
}

/** The result of a run that has ended. Its lists are long and often not looked at. */
export function resultOf(draft: Draft, status: TerminalStatus, error: NodeError | null): RunResult {
  let nodes: readonly NodeResult[] | null = null;
  let summary: RunSummary | null = null;
  return {
    status,
    error,
    get nodes() {
      nodes ??= nodesOf(draft);
      return nodes;
    },
    get summary() {
      summary ??= summaryOf(this.nodes);
      return summary;
    },
  };
}

/** Without the root; items stand where their foreach is. */
function nodesOf(draft: Draft): NodeResult[] {
  const nodes: NodeResult[] = [];
  walkBelow(draft, 0, (index) => {
    const { status, attempt, error } = draft.row(index);
    nodes.push({ path: draft.pathOf(index), status, attempt, error });
    return true;
  });
  return nodes;
}

function summaryOf(nodes: readonly NodeResult[]): RunSummary {
  const pathsOf = (...statuses: NodeStatus[]): string[] =>
    nodes.filter((node) => statuses.includes(node.status)).map((node) => node.path);
  return {
    total: nodes.length,
    completed: pathsOf('completed', 'stopped'),
    failed: pathsOf('failed', 'timed_out'),
    skipped: pathsOf('skipped'),
    cancelled: pathsOf('cancelled'),
  };
}
