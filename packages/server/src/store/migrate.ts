import { TrainyardError } from '@trainyard/protocol';
import { sql } from 'kysely';
import { type Migration, Migrator } from 'kysely/migration';
import type { Database } from './database.ts';
import { up as backbone } from './migrations/0001-backbone.ts';
import { up as foreach } from './migrations/0002-foreach.ts';
import { up as pools } from './migrations/0003-pools.ts';
import { up as pipelines } from './migrations/0004-pipelines.ts';
import { up as webhooks } from './migrations/0005-webhooks.ts';
import { up as schedules } from './migrations/0006-schedules.ts';
import { up as approvals } from './migrations/0007-approvals.ts';
import { up as reruns } from './migrations/0008-reruns.ts';
import { up as stageCache } from './migrations/0009-stage-cache.ts';
import { up as checkpoints } from './migrations/0010-checkpoints.ts';
import { up as secrets } from './migrations/0011-secrets.ts';
import { up as attemptTargets } from './migrations/0012-attempt-targets.ts';
import { up as pause } from './migrations/0013-pause.ts';
import { up as lateReports } from './migrations/0014-late-reports.ts';
import { up as datasets } from './migrations/0015-datasets.ts';
import { up as metricAnomalies } from './migrations/0016-metric-anomalies.ts';
import { up as streamLines } from './migrations/0017-stream-lines.ts';
import { up as trainingApi } from './migrations/0018-training-api.ts';
import { up as findings } from './migrations/0019-findings.ts';
import { up as telemetry } from './migrations/0020-telemetry.ts';
import { up as stops } from './migrations/0022-stops.ts';
import { up as labels } from './migrations/0023-labels.ts';
import { up as attemptsWithoutForeignKey } from './migrations/0024-attempts-without-foreign-key.ts';
import { up as chunkCodec } from './migrations/0026-chunk-codec.ts';
import { up as outOfService } from './migrations/0027-out-of-service.ts';
import { up as programReports } from './migrations/0029-program-reports.ts';
import { up as retention } from './migrations/0030-retention.ts';
import { up as checkpointsByRoot } from './migrations/0031-checkpoints-by-root.ts';
import { up as queueTime } from './migrations/0031-queue-time.ts';
import { up as refusedLines } from './migrations/0032-refused-lines.ts';
import { up as plainJson } from './migrations/0037-plain-json.ts';
import { up as resumedAt } from './migrations/0039-resumed-at.ts';
import { up as chartPyramid } from './migrations/0041-chart-pyramid.ts';
import { up as tracking } from './migrations/0042-tracking.ts';
import { up as modelRegistry } from './migrations/0043-model-registry.ts';
import { up as artifacts } from './migrations/0044-artifacts.ts';
import { up as trialRungs } from './migrations/0046-trial-rungs.ts';

/** Forward only, in the order of their names as far as a database has not had them. A released migration is never edited. */
const MIGRATIONS: Readonly<Record<string, Migration>> = {
  '0001-backbone': { up: backbone },
  '0002-foreach': { up: foreach },
  '0003-pools': { up: pools },
  '0004-pipelines': { up: pipelines },
  '0005-webhooks': { up: webhooks },
  '0006-schedules': { up: schedules },
  '0007-approvals': { up: approvals },
  '0008-reruns': { up: reruns },
  '0009-stage-cache': { up: stageCache },
  '0010-checkpoints': { up: checkpoints },
  '0011-secrets': { up: secrets },
  '0012-attempt-targets': { up: attemptTargets },
  '0013-pause': { up: pause },
  '0014-late-reports': { up: lateReports },
  '0015-datasets': { up: datasets },
  '0016-metric-anomalies': { up: metricAnomalies },
  '0017-stream-lines': { up: streamLines },
  '0018-training-api': { up: trainingApi },
  '0019-findings': { up: findings },
  '0020-telemetry': { up: telemetry },
  '0022-stops': { up: stops },
  '0023-labels': { up: labels },
  '0024-attempts-without-foreign-key': { up: attemptsWithoutForeignKey },
  '0026-chunk-codec': { up: chunkCodec },
  '0027-out-of-service': { up: outOfService },
  '0029-program-reports': { up: programReports },
  '0030-retention': { up: retention },
  '0031-checkpoints-by-root': { up: checkpointsByRoot },
  '0031-queue-time': { up: queueTime },
  '0032-refused-lines': { up: refusedLines },
  '0037-plain-json': { up: plainJson },
  '0039-resumed-at': { up: resumedAt },
  '0041-chart-pyramid': { up: chartPyramid },
  '0042-tracking': { up: tracking },
  '0043-model-registry': { up: modelRegistry },
  '0044-artifacts': { up: artifacts },
  '0046-trial-rungs': { up: trialRungs },
};

/** Invalid schema name, undefined table, undefined column. */
const VANISHED: ReadonlySet<unknown> = new Set(['3F000', '42P01', '42703']);
const MAX_ATTEMPTS = 10;

/**
 * Brings the schema up to date. Safe to run from several servers at once: Kysely's migrator takes an
 * advisory lock and applies all or nothing.
 * @throws TrainyardError DATABASE_NEWER
 */
export async function migrate(database: Database): Promise<void> {
  const migrator = new Migrator({
    db: database.kysely,
    provider: { getMigrations: async () => ({ ...MIGRATIONS }) },
    migrationTableSchema: database.schema,
    // Work on two things at once lands in any order: one with a lower number may come later than one that was run.
    allowUnorderedMigrations: true,
  });
  for (let attempt = 1; ; attempt += 1) {
    const { error } = await migrator.migrateToLatest();
    if (error === undefined) return;
    // Kysely looks at the tables of all schemas; one that somebody drops meanwhile fails the look.
    const isForeign = VANISHED.has((error as { code?: unknown }).code);
    if (isForeign && attempt < MAX_ATTEMPTS) continue;
    await refuseNewer(database);
    throw error;
  }
}

/** @throws TrainyardError DATABASE_NEWER when the database has had migrations that this version does not know */
async function refuseNewer({ kysely, schema }: Database): Promise<void> {
  const { rows } = await sql<{ name: string }>`
    select name from ${sql.id(schema, 'kysely_migration')} order by name`.execute(kysely);
  const unknown = rows.map(({ name }) => name).filter((name) => !Object.hasOwn(MIGRATIONS, name));
  if (unknown.length === 0) return;
  throw new TrainyardError(
    'DATABASE_NEWER',
    `The database was used by another version of Trainyard, a newer one most likely, which has changed its tables (${unknown.join(', ')}). Nothing was changed now. Start that version, or give another --data-dir or --database-url.`,
  );
}
