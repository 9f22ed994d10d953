import { TrainyardError } from '@trainyard/protocol';
import { type Points, PointsBuilder } from '../ingest/index.ts';
import type { Tag } from './experiments.ts';
import { noTrackedRun, runIsDeleted } from './lock-tracked-run.ts';
import { valueRank } from './value-rank.ts';

/** What a program logs to one run at once. All of it is stored, or nothing. */
export interface LogRequest {
  readonly runId: string;
  readonly params: readonly Tag[];
  readonly tags: readonly Tag[];
  readonly points: readonly LoggedPoint[];
}

export interface LoggedPoint {
  readonly key: string;
  /** May be negative. */
  readonly step: number;
  /** Epoch milliseconds. */
  readonly time: number;
  readonly value: number;
}

/** A run as the transaction has locked it. */
export interface KnownRun {
  readonly runId: string;
  readonly isDeleted: boolean;
  readonly attempt: number;
}

/** What a transaction knows before it decides. */
export interface KnownState {
  readonly runs: ReadonlyMap<string, KnownRun>;
  /** Stored params by `pairKey`. */
  readonly params: ReadonlyMap<string, string>;
  /** Is this point stored already? */
  readonly isStored: (runId: string, point: LoggedPoint) => boolean;
}

/** What is to be written; nothing of it is there already. */
export interface LogDecision {
  /** By request: why it was refused, or undefined. */
  readonly refusals: readonly (TrainyardError | undefined)[];
  readonly params: readonly (Tag & { readonly runId: string })[];
  readonly tags: readonly (Tag & { readonly runId: string })[];
  /** Points by run and key. */
  readonly points: ReadonlyMap<string, ReadonlyMap<string, Points>>;
}

export function pairKey(runId: string, key: string): string {
  return `${runId} ${key}`;
}

/** Decides on requests in their order: each sees what those before it have logged. */
export function decideLog(state: KnownState, requests: readonly LogRequest[]): LogDecision {
  const params = new Map<string, Tag & { readonly runId: string }>();
  const tags = new Map<string, Tag & { readonly runId: string }>();
  const points = new Map<string, Map<string, SeriesOfBatch>>();
  const refusals = requests.map((request) => {
    const { runId } = request;
    const refused = refuseRun(state.runs.get(runId), runId) ?? refuseParams(state.params, params, request);
    if (refused !== undefined) return refused;
    for (const { key, value } of request.params) {
      const pair = pairKey(runId, key);
      if (!state.params.has(pair)) params.set(pair, { runId, key, value });
    }
    // Set anew, so that the order is that of the last writing.
    for (const { key, value } of request.tags) tags.set(pairKey(runId, key), { runId, key, value });
    for (const point of request.points) {
      if (!state.isStored(runId, point)) seriesIn(points, runId, point.key).add(point);
    }
    return undefined;
  });
  return {
    refusals,
    params: [...params.values()],
    tags: [...tags.values()],
    points: new Map(
      [...points].map(([runId, byKey]) => [
        runId,
        new Map([...byKey].map(([key, series]) => [key, series.build()])),
      ]),
    ),
  };
}

function refuseRun(run: KnownRun | undefined, runId: string): TrainyardError | undefined {
  if (run === undefined) return noTrackedRun(runId);
  return run.isDeleted ? runIsDeleted(runId) : undefined;
}

function refuseParams(
  stored: ReadonlyMap<string, string>,
  logged: ReadonlyMap<string, Tag>,
  { runId, params }: LogRequest,
): TrainyardError | undefined {
  for (const { key, value } of params) {
    const pair = pairKey(runId, key);
    const earlier = stored.get(pair) ?? logged.get(pair)?.value;
    if (earlier === undefined || earlier === value) continue;
    return new TrainyardError(
      'INVALID_REQUEST',
      `Changing param values is not allowed. Param with key='${key}' was already logged with value='${earlier}' for run ID='${runId}'. Attempted logging new value '${value}'.`,
    );
  }
  return undefined;
}

function seriesIn(
  points: Map<string, Map<string, SeriesOfBatch>>,
  runId: string,
  key: string,
): SeriesOfBatch {
  const byKey = points.get(runId) ?? new Map<string, SeriesOfBatch>();
  const series = byKey.get(key) ?? new SeriesOfBatch();
  points.set(runId, byKey.set(key, series));
  return series;
}

/** New points of one series, each once. */
class SeriesOfBatch {
  readonly #points: LoggedPoint[] = [];
  readonly #seen = new Set<string>();

  add(point: LoggedPoint): void {
    const identity = `${point.step} ${point.time} ${point.value}`;
    if (this.#seen.has(identity)) return;
    this.#seen.add(identity);
    this.#points.push(point);
  }

  build(): Points {
    const builder = new PointsBuilder();
    // Of points equal in step and time the greatest value is the latest one.
    if (this.#points.length > 1) this.#points.sort((a, b) => valueRank(a.value) - valueRank(b.value));
    for (const { step, time, value } of this.#points) builder.add(step, time, value);
    return builder.build();
  }
}
