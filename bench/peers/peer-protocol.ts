import type { DagNode } from '@trainyard/dag';

/** What a peer's process is asked, as JSON in the file that its first argument names. */
export interface PeerTask {
  readonly rounds: number;
  /** No row is begun that would end after this time. */
  readonly budgetMs: number;
  /** What is run first and not measured. */
  readonly warmUp: { readonly hops: number; readonly width: number };
  /** Fewer where one costs so much that these would take more than a quarter of the budget. */
  readonly hops: number;
  /** Stages beside the join, smallest first. */
  readonly widths: readonly number[];
  readonly montage: readonly DagNode[];
  /** Where npm installed the peers. */
  readonly modules: string;
  /** For files of this peer; it is empty and is removed by the parent. */
  readonly directory: string;
  readonly postgres?: {
    readonly host: string;
    readonly port: number;
    readonly user: string;
    readonly database: string;
  };
  /** Path of Redis' socket. */
  readonly redis?: string;
}

/** One line of a peer's output. */
export interface Measured {
  readonly row: string;
  /** Chain: ms per hop, p50; wide: stages per second; montage: ms per node. */
  readonly value: number;
}
