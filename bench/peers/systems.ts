/** What a peer's process needs from the bench. */
export type Need = 'npm' | 'pip' | 'postgres' | 'redis';

/** One system of the durable bench, or one way of using it. */
export interface System {
  readonly name: string;
  /** Whose version is told. */
  readonly packageName: string;
  readonly needs: readonly Need[];
  /** Program in bench/peers and what follows the task on its command line. */
  readonly program: string;
  readonly args: readonly string[];
  /** What it does with a montage. */
  readonly montage: string;
  /** Why it can be first where it is. */
  readonly whyFaster: string;
}

export const OURS = 'trainyard';

/** Counted by the statements that PostgreSQL logs during a chain (decision 0025). */
export const OUR_COST =
  'a hop is one transaction and one write to disk (the end of a stage, what follows from it, and that an agent has ' +
  'the next), the history of its runs, attempts and events in tables, and HTTP to an agent that could be elsewhere';

export const SYSTEMS: readonly System[] = [
  {
    name: OURS,
    packageName: OURS,
    needs: [],
    program: 'trainyard.ts',
    args: [],
    montage: 'the graph itself',
    whyFaster: '',
  },
  {
    name: 'dbos steps',
    packageName: '@dbos-inc/dbos-sdk',
    needs: ['npm', 'postgres'],
    program: 'dbos.ts',
    args: ['steps'],
    montage: 'level by level, in one workflow function',
    whyFaster:
      'a step runs in the process that holds its workflow, so a hop is one insert; nothing is handed to another ' +
      'process, and a stage has no lease, status, attempt or log of its own',
  },
  {
    name: 'dbos queue',
    packageName: '@dbos-inc/dbos-sdk',
    needs: ['npm', 'postgres'],
    program: 'dbos.ts',
    args: ['queue'],
    montage: 'level by level, a workflow per node',
    whyFaster: 'the process that hands work out is the one that does it; there is no HTTP between them',
  },
  {
    name: 'bullmq flows',
    packageName: 'bullmq',
    needs: ['npm', 'redis'],
    program: 'bullmq.ts',
    args: [],
    montage: 'a flow per level, whose join adds the next (flows are trees)',
    whyFaster:
      'jobs live in the memory of Redis, one script moves a job on and is appended to one file, and producer and ' +
      'worker are one process; there is no HTTP, and no history of runs, attempts and events that can be queried',
  },
  {
    name: 'pg-boss worker',
    packageName: 'pg-boss',
    needs: ['npm', 'postgres'],
    program: 'pg-boss.ts',
    args: ['worker'],
    montage: 'the graph itself',
    whyFaster:
      'its worker fetches and completes up to 1,000 jobs in a transaction, in one process; there is no HTTP, a job ' +
      'changes its state twice, and no attempts, events or logs are kept',
  },
  {
    name: 'pg-boss loop',
    packageName: 'pg-boss',
    needs: ['npm', 'postgres'],
    program: 'pg-boss.ts',
    args: ['loop'],
    montage: 'the graph itself',
    whyFaster:
      'here the bench itself takes the place of its worker and of its resolver of flows, without a pause, and ' +
      'completes up to 1,000 jobs in a transaction, in one process; there is no HTTP, a job changes its state ' +
      'twice, and no attempts, events or logs are kept',
  },
  {
    name: 'celery canvas',
    packageName: 'celery',
    needs: ['pip', 'redis'],
    program: 'celery_peer.py',
    args: [],
    montage: 'a chord per level, sent when the one before has ended (a canvas has no edges)',
    whyFaster: 'the worker sends the next task itself; no coordinator records what state a stage is in',
  },
  {
    name: 'prefect',
    packageName: 'prefect',
    needs: ['pip', 'postgres'],
    program: 'prefect_peer.py',
    args: [],
    montage: 'the graph itself',
    whyFaster:
      "a task runs in the flow's own process, which tells the server of its states later and does not wait",
  },
];
