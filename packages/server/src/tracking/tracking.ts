import type { Ingest } from '../ingest/index.ts';
import type { LiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import { createRunCreator, type RunCreator } from './create-run.ts';
import { createRunLogger, type RunLogger } from './run-logger.ts';

/** What writes tracked runs; one per server process, so that callers share transactions. */
export interface Tracking {
  readonly creator: RunCreator;
  readonly logger: RunLogger;
}

export function createTracking(parts: {
  readonly database: Database;
  readonly ingest: Ingest;
  readonly bus: LiveBus;
}): Tracking {
  return { creator: createRunCreator(parts), logger: createRunLogger(parts) };
}
