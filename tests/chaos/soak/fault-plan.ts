import { between, type Random, weighted } from './random.ts';

/** What is done to the platform and its jobs, and how often in proportion. */
const FAULT_WEIGHTS = {
  /** kill -9 of an agent, which is started again. */
  agent: 3,
  /** kill -9 of the server, which is started again. */
  server: 1,
  /** kill -9 of the postmaster of the server's database. */
  database: 1,
  /** An agent stands still for a while, and goes on. */
  'agent-still': 1,
  /** The server likewise. */
  'server-still': 1,
  /** kill -9 of the program of a job. */
  program: 3,
  /** kill -9 of the supervisor of a job. */
  supervisor: 2,
  /** kill -9 of an agent, and of supervisor and program of one of its jobs while it is away. */
  machine: 2,
  cancel: 2,
  /** Cancel of a job whose agent is away. */
  'cancel-without-agent': 2,
  /** Pause of a job, and resume. */
  pause: 3,
} as const;
export type FaultKind = keyof typeof FAULT_WEIGHTS;

export interface PlannedFault {
  readonly kind: FaultKind;
  /** Waited before it. */
  readonly afterMs: number;
  /** How long what was ended stays away, or a job stays paused. */
  readonly lastsMs: number;
  /** In [0, 1): which of those that can be taken is taken. */
  readonly pick: number;
}

const KINDS: readonly FaultKind[] = Object.keys(FAULT_WEIGHTS) as FaultKind[];

/** An endless schedule. It begins with one fault of each kind, so that a short soak has them all. */
export function* planFaults(random: Random): Generator<PlannedFault, never> {
  for (let index = 0; ; index += 1) {
    yield {
      kind: KINDS[index] ?? weighted(random, FAULT_WEIGHTS),
      afterMs: between(random, 300, 1500),
      lastsMs: between(random, 0, 2500),
      pick: random(),
    };
  }
}
