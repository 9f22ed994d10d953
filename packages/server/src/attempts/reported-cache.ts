import type { AttemptCache, RunError } from '@trainyard/protocol';
import type { PoolClient } from 'pg';
import { cacheKey } from '../cache/cache-key.ts';
import type { CacheFact } from '../orchestrator/facts.ts';
import type { FinishedReport, ParsedReport } from './attempt-update.ts';

/** A run whose result an agent wants to use. */
interface HitRun {
  readonly key: string | null;
  readonly outputs: Record<string, unknown> | null;
}
export type HitRuns = ReadonlyMap<string, HitRun>;

/** The runs that reports name instead of a result of their own. */
export async function readHits(client: PoolClient, reports: readonly ParsedReport[]): Promise<HitRuns> {
  const ids = reports.flatMap((report) =>
    report.kind === 'finished' && report.cache?.kind === 'hit' ? [report.cache.from] : [],
  );
  if (ids.length === 0) return new Map();
  const { rows } = await client.query<HitRun & { id: string }>({
    name: 'attempts-cache-hits',
    text: `select id, cache_key as key, outputs from runs where id = any($1::text[]) and status = 'completed'`,
    values: [[...new Set(ids)]],
  });
  return new Map(rows.map(({ id, ...run }) => [id, run]));
}

/**
 * What the end of an attempt means for the cache. The key is made from what the attempt was asked, not from what
 * the agent says that it was; a result has to be one of that key.
 */
export function judgeCache(
  report: FinishedReport,
  cache: AttemptCache | null,
  hits: HitRuns,
): { readonly fact?: CacheFact; readonly error?: RunError } {
  if (cache === null || report.outcome !== 'completed') return {};
  const told = report.cache ?? SILENT;
  switch (told.kind) {
    case 'hit': {
      const key = cacheKey(cache.digest, told.hashes);
      const run = hits.get(told.from);
      return cache.lookUp && run?.key === key
        ? { fact: { kind: 'hit', key, from: told.from, outputs: run.outputs } }
        : { error: gone(cache, told.from) };
    }
    case 'ran':
      return { fact: { kind: 'key', key: cacheKey(cache.digest, told.hashes) } };
    default:
      return { fact: told };
  }
}

const SILENT: CacheFact & { readonly kind: 'unknown' } = {
  kind: 'unknown',
  reason: 'its agent did not say what the files hold; an agent of this version does',
};

/** Counts as an infrastructure loss: the stage is handed out again. */
function gone({ lookUp }: AttemptCache, from: string): RunError {
  const why = lookUp ? 'was deleted, or is of another question' : 'was not to be used';
  return { code: 'cached_result_gone', message: `the result of run ${from} ${why}` };
}
