import { sql } from 'kysely';
import { createStalledWatch } from '../diagnosis/stalled-runs.ts';
import { startGroupKeeper } from '../limits/group-keeper.ts';
import type { ServerContext } from '../server-context.ts';
import { startPeriodic } from './periodic.ts';
import { Retention } from './retention.ts';

const LEASE_CHECK_MS = 2000;
const INBOX_SWEEP_MS = 60_000;
const STALLED_CHECK_MS = 30_000;
const RETENTION_MS = 60_000;
const COLLECT_ARTIFACTS_MS = 10 * 60_000;

/** Starts what runs every few seconds. @returns a function that ends it */
export function startBackground(context: ServerContext): () => Promise<void> {
  const { artifactCollector, attempts, bus, database, launcher, log, webhookSender } = context;
  const groups = startGroupKeeper({ database, bus, log });
  webhookSender.start();
  launcher.start();
  const leases = startPeriodic({
    name: 'lease check',
    everyMs: LEASE_CHECK_MS,
    log,
    work: async () => {
      const { stoodStillMs } = await attempts.expireLeases();
      if (stoodStillMs !== null) {
        log.warn({ stoodStillMs }, 'this server or its database stood still; all agents get a new lease');
      }
    },
  });
  // A fact about a tree that has ended meanwhile (a cancel, most often) is for nobody.
  const sweep = startPeriodic({
    name: 'inbox sweep',
    everyMs: INBOX_SWEEP_MS,
    log,
    work: async () => {
      await sql`delete from tree_inbox i using trees t where t.root_id = i.root_id and t.ended_at is not null`.execute(
        database.kysely,
      );
    },
  });
  const retention = new Retention(database.pool, context.config.retention);
  const removal = startPeriodic({
    name: 'retention',
    everyMs: RETENTION_MS,
    log,
    work: () => retention.round(Date.now()),
  });
  const collecting = startPeriodic({
    name: 'collection of artifacts',
    everyMs: COLLECT_ARTIFACTS_MS,
    log,
    work: () => artifactCollector.round(Date.now()),
  });
  const stalled = createStalledWatch({ database, bus });
  const quiet = startPeriodic({
    name: 'look for stalled runs',
    everyMs: STALLED_CHECK_MS,
    log,
    work: () => stalled.look(),
  });
  return async () => {
    await Promise.all(
      [groups, leases, sweep, removal, collecting, quiet, webhookSender, launcher].map((each) => each.stop()),
    );
  };
}
