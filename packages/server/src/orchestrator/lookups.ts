import type { PlannerEvent } from '@trainyard/dag';
import type { ModelCheckpoint, TrainingJob } from '@trainyard/protocol';
import type { Kysely } from 'kysely';
import { asOneDecision, giveTurn } from '../definition/expression-work.ts';
import { type LatestValue, readLatestOf } from '../ingest/index.ts';
import {
  type CheckpointHost,
  createCheckpointReads,
  findDatasetVersion,
} from '../store/model-checkpoints.ts';
import type { Schema } from '../store/schema.ts';
import { createTrainingJobStore } from '../store/training-jobs.ts';
import { applyEvent } from './apply.ts';
import type { TreeChanges } from './tree-changes.ts';

/** What has to be known of the store before a stage can be handed to an agent. */
export interface Wanted {
  /** Id or name of a training job. */
  readonly job?: string;
  /** Its checkpoints whose files are there. */
  readonly checkpoints?: boolean;
  readonly dataset?: { readonly name: string; readonly sha256Prefix: string };
  /** A metric of runs. */
  readonly latest?: { readonly key: string; readonly runIds: readonly string[] };
}

/** What is known of a metric of a run. */
export type LatestMetric = Pick<LatestValue, 'step' | 'value' | 'min' | 'max'>;

/** What the store has of it. */
export interface Found {
  readonly job: TrainingJob | undefined;
  readonly checkpoints: readonly ModelCheckpoint[];
  /** Paths of checkpoints that trainings of the job go on from. */
  readonly inUse: ReadonlySet<string>;
  /** By id: where checkpoints are that are on a host. */
  readonly hosts: ReadonlyMap<string, CheckpointHost>;
  readonly dataset:
    | { readonly path: string; readonly sha256: string; readonly rows: number | null }
    | undefined;
  /** By run; without those that have no such metric. */
  readonly latest: ReadonlyMap<string, LatestMetric>;
}

/** A question of a tick to the store; its answer is taken in before the tick is written. */
export interface Lookup {
  readonly wanted: Wanted;
  take(found: Found): PlannerEvent | undefined;
}

/**
 * Answers everything that a tick asks of the store. What follows from an answer may ask again, so that is
 * repeated until nothing is open; the same question is put to the store once.
 */
export async function answerLookups(
  db: Kysely<Schema>,
  changes: readonly TreeChanges[],
  nowMs: number,
): Promise<void> {
  const look = rememberingLookup(db);
  for (;;) {
    const open = changes.flatMap((change) => change.lookups.splice(0).map((lookup) => ({ change, lookup })));
    if (open.length === 0) return;
    for (const { change, lookup } of open) {
      const found = await look(lookup.wanted);
      const event = asOneDecision(() => lookup.take(found));
      if (event !== undefined) applyEvent(change, event, nowMs);
      await giveTurn();
    }
  }
}

const NONE: ReadonlySet<string> = new Set();
const NOWHERE: ReadonlyMap<string, CheckpointHost> = new Map();
const NO_METRICS: ReadonlyMap<string, LatestMetric> = new Map();

function rememberingLookup(db: Kysely<Schema>): (wanted: Wanted) => Promise<Found> {
  const jobs = createTrainingJobStore(db);
  const { live, inUse, hosts } = createCheckpointReads(db);
  const remember = <T>(read: (key: string) => Promise<T>) => {
    const known = new Map<string, Promise<T>>();
    return (key: string): Promise<T> => {
      const found = known.get(key) ?? read(key);
      known.set(key, found);
      return found;
    };
  };
  const findJob = remember((key) => jobs.find(key));
  const findCheckpoints = remember((jobId) => live(jobId));
  const findInUse = remember((jobId) => inUse(jobId));
  const findHosts = remember((jobId) => hosts(jobId));
  const findDataset = remember((key) => findDatasetVersion(db, JSON.parse(key)));
  return async (wanted) => {
    const job = wanted.job === undefined ? undefined : await findJob(wanted.job);
    const checkpoints = wanted.checkpoints === true && job !== undefined ? await findCheckpoints(job.id) : [];
    const used = checkpoints.length === 0 ? NONE : await findInUse(job!.id);
    const on = checkpoints.length === 0 ? NOWHERE : await findHosts(job!.id);
    const dataset =
      wanted.dataset === undefined ? undefined : await findDataset(JSON.stringify(wanted.dataset));
    const latest = wanted.latest === undefined ? NO_METRICS : await readLatestOf(db, wanted.latest);
    return { job, checkpoints, inUse: used, hosts: on, dataset, latest };
  };
}
