import type { ClientBase } from 'pg';
import { flatParams } from './flat-params.ts';
import { RUN_NAME_TAG } from './known-tags.ts';

/** Says of runs that we execute that they are tracked, in the transaction of who stores the first they log. */
export type TrackJobs = (client: ClientBase, runIds: readonly string[]) => Promise<void>;

/** Runs of which it is remembered that they are tracked. */
const MAX_REMEMBERED = 100_000;

/** Remembers what it has seen stored, so that a run costs two looks in all, however much it logs. */
export function createJobTracker(): TrackJobs {
  const tracked = new Set<string>();
  return async (client, runIds) => {
    const unknown = [...new Set(runIds)].filter((id) => !tracked.has(id));
    if (unknown.length === 0) return;
    const stored = await storedOf(client, unknown);
    if (tracked.size > MAX_REMEMBERED) tracked.clear();
    for (const id of stored) tracked.add(id);
    // What is written now is remembered once it is seen to be committed.
    await trackJobs(
      client,
      unknown.filter((id) => !stored.has(id)),
    );
  };
}

async function storedOf(client: ClientBase, runIds: readonly string[]): Promise<Set<string>> {
  const { rows } = await client.query<{ id: string }>({
    name: 'tracking-known-jobs',
    text: 'select run_id as id from tracked_runs where run_id = any($1::text[])',
    values: [runIds],
  });
  return new Set(rows.map(({ id }) => id));
}

/** Their experiment is the one that their pipeline names, or that of the pipeline's own name; made when missing. */
export async function trackJobs(client: ClientBase, runIds: readonly string[]): Promise<void> {
  if (runIds.length === 0) return;
  // In the order of their names: two transactions that make several cannot wait for each other in a circle.
  await client.query({
    name: 'tracking-experiments-of-jobs',
    text: `insert into experiments (name)
      select distinct w.experiment from (${WANTED}) w
      where not exists (select from experiments e where e.name = w.experiment)
      order by w.experiment on conflict (name) do nothing`,
    values: [runIds],
  });
  const { rows } = await client.query<{ id: string; params: Record<string, unknown> }>({
    name: 'tracking-track-jobs',
    text: `with wanted as (${WANTED}), tracked as (
        insert into tracked_runs (run_id, root_id, experiment_id, name, user_id, start_ms, deleted_at)
        select w.id, w.root_id, e.id, w.path, coalesce(w.created_by, ''), w.start_ms, e.deleted_at
        from wanted w join experiments e on e.name = w.experiment order by w.id
        on conflict (run_id) do nothing returning run_id
      ), tags as (
        insert into run_tags (run_id, key, value)
        select w.id, t.key, t.value from wanted w join tracked on tracked.run_id = w.id
        cross join lateral (values ('${RUN_NAME_TAG}', w.path), ('trainyard.rootRunId', w.root_id)) as t (key, value)
        on conflict do nothing
      )
      select w.id, w.params from wanted w join tracked on tracked.run_id = w.id`,
    values: [runIds],
  });
  const params = rows.flatMap(({ id, params }) => flatParams(params).map((param) => ({ id, ...param })));
  if (params.length === 0) return;
  await client.query({
    name: 'tracking-params-of-jobs',
    text: `insert into run_params (run_id, key, value)
      select * from unnest($1::text[], $2::text[], $3::text[]) on conflict do nothing`,
    values: [params.map(({ id }) => id), params.map(({ key }) => key), params.map(({ value }) => value)],
  });
}

/** Params are those of the whole run, with those of the stage itself where it has some. */
const WANTED = `select r.id, r.root_id, r.path, t.created_by, root.params || r.params as params,
    coalesce(d.definition ->> 'experiment', t.name) as experiment,
    (extract(epoch from coalesce(r.started_at, now())) * 1000)::int8 as start_ms
  from runs r join runs root on root.id = r.root_id join trees t on t.root_id = r.root_id
  join definitions d on d.sha256 = t.definition_sha256
  where r.id = any($1::text[])`;
