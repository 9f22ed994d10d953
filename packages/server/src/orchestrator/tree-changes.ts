import type { TimerKind } from '@trainyard/dag';
import type { AttemptSpec, EventType, RunEvent, RunStatus } from '@trainyard/protocol';
import type { OwnedTree } from './owned-tree.ts';

export interface NewAttempt {
  readonly node: number;
  readonly number: number;
  readonly queue: string;
  readonly priority: number;
  readonly gpus: number;
  readonly spec: AttemptSpec;
}

export interface TimerRequest {
  readonly atMs: number;
  readonly node: number;
  readonly kind: TimerKind;
  readonly attempt: number | undefined;
}

/** What a tick has to write for one tree. The tree in memory already shows it. */
export class TreeChanges {
  readonly tree: OwnedTree;
  readonly events: RunEvent[] = [];
  readonly attempts: NewAttempt[] = [];
  readonly cancels: { readonly node: number; readonly attempt: number }[] = [];
  readonly timers: TimerRequest[] = [];
  readonly #dirty = new Set<number>();

  constructor(tree: OwnedTree) {
    this.tree = tree;
  }

  /** Nodes whose rows have to be written. */
  get dirtyNodes(): readonly number[] {
    return [...this.#dirty];
  }

  /** Marks a node whose row has to be written. */
  touch(node: number): void {
    this.#dirty.add(node);
  }

  setStatus(node: number, status: RunStatus): void {
    const run = this.tree.runs[node]!;
    if (run.status === status) return;
    if (!this.tree.plan.nodes[node]!.isGroup) {
      const { counts } = this.tree;
      const before = (counts[run.status] ?? 1) - 1;
      if (before > 0) counts[run.status] = before;
      else delete counts[run.status];
      counts[status] = (counts[status] ?? 0) + 1;
    }
    run.status = status;
    this.touch(node);
  }

  addEvent(node: number, type: EventType, atMs: number, data: Record<string, unknown>): void {
    const { tree } = this;
    const run = tree.runs[node]!;
    tree.eventSeq += 1;
    this.events.push({
      rootId: tree.rootId,
      seq: tree.eventSeq,
      runId: run.id,
      path: run.path,
      type,
      at: new Date(atMs).toISOString(),
      data,
    });
  }
}
