import type { Pool } from 'pg';
import { IS_PARSED } from './stream-sql.ts';

/** Those of the runs that have metric series, or bytes of metrics that have not been parsed yet. */
export async function runsWithMetrics(pool: Pool, runIds: readonly string[]): Promise<string[]> {
  const { rows } = await pool.query<{ run_id: string }>({
    name: 'ingest-runs-with-metrics',
    text: `select run_id from metric_series where run_id = any($1::text[])
      union
      select a.run_id from attempts a
      join streams s on s.attempt_id = a.id and ${IS_PARSED} and s.parsed < s.size
      where a.run_id = any($1::text[])`,
    values: [runIds],
  });
  return rows.map((row) => row.run_id);
}
