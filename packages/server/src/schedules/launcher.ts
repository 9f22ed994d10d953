import { type Run, TrainyardError } from '@trainyard/protocol';
import type { Logger } from 'pino';
import type { SecretBox } from '../auth/secret-box.ts';
import { runWokenLoop } from '../background/woken-loop.ts';
import type { LiveBus } from '../live/live-bus.ts';
import type { Orchestrator } from '../orchestrator/orchestrator.ts';
import { WakeUp } from '../orchestrator/wake-up.ts';
import { submitRegistered } from '../pipelines/submit-registered.ts';
import type { Database } from '../store/database.ts';
import { decideDue, jitterOf } from './due-instants.ts';
import { launchParams } from './launch-params.ts';
import { chooseLaunches, type LaunchPolicy } from './launch-policy.ts';
import {
  lockDueSchedule,
  lockOwner,
  noteRefused,
  noteStarted,
  type OpenRow,
  type OwnerRow,
  openLaunches,
  ownersWithWork,
  pauseBroken,
  removeOldSkipped,
  settleEnded,
  writeChoice,
  writeDecision,
} from './launch-sql.ts';
import { cronOccurrences, everyOccurrences, type Occurrences } from './occurrences.ts';

/**
 * After this long a server that has not started what it claimed counts as dead. It may be alive and slow: what is
 * started twice is one run.
 */
const CLAIM_MS = 10_000;
/** Due schedules that one round decides about. */
const SCHEDULES_PER_ROUND = 200;
/** Owners that are looked after at the same time: most of it is waiting for the database. */
const OWNERS_AT_ONCE = 4;
/** Least time between two rounds. */
const PAUSE_MS = 100;
const CLEAN_UP_EVERY_MS = 3_600_000;
const KEEP_SKIPPED_MS = 30 * 86_400_000;

export interface LauncherOptions {
  readonly database: Database;
  readonly orchestrator: Orchestrator;
  readonly secrets: SecretBox;
  readonly maxDepth: number;
  readonly bus: LiveBus;
  readonly log: Logger;
  readonly now?: (() => number) | undefined;
}

/**
 * Starts the runs that schedules and backfills have planned. Any number of servers may do so at once: who
 * decides about a schedule or a backfill holds its row, an instant is stored once, and a run has a key made
 * of owner and instant, so that starting it twice gives the same run.
 */
export interface Launcher {
  start(): void;
  stop(): Promise<void>;
  /** Looks for work soon. */
  wake(): void;
  /** One round: decides about what is due, starts what may start. True if there may be more to do at once. */
  tick(): Promise<boolean>;
}

export function createLauncher(options: LauncherOptions): Launcher {
  return new RunLauncher(options);
}

class RunLauncher implements Launcher {
  readonly #options: LauncherOptions;
  readonly #now: () => number;
  readonly #stopping = new AbortController();
  readonly #wakeUp = new WakeUp();
  #cleanedAtMs = 0;
  #loop: Promise<void> | undefined;

  constructor(options: LauncherOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
  }

  start(): void {
    this.#options.bus.on('tree', this.#onTree);
    this.#loop = this.#run();
  }

  async stop(): Promise<void> {
    this.#options.bus.off('tree', this.#onTree);
    this.#stopping.abort();
    this.#wakeUp.call();
    await this.#loop;
  }

  wake(): void {
    this.#wakeUp.call();
  }

  async tick(): Promise<boolean> {
    const { kysely } = this.#options.database;
    const nowMs = this.#now();
    await this.#cleanUp(nowMs);
    await settleEnded(kysely);
    let decided = 0;
    while (decided < SCHEDULES_PER_ROUND && (await this.#decideNext(nowMs))) decided += 1;
    const started = await this.#launchAll(await ownersWithWork(kysely, new Date(nowMs)), nowMs);
    return decided === SCHEDULES_PER_ROUND || started > 0;
  }

  readonly #onTree = ({ runs }: { readonly runs: readonly Run[] }): void => {
    if (runs.some((run) => run.parentId === null && run.endedAt !== null)) this.#wakeUp.call();
  };

  /** Decides about one due schedule, in one transaction; false when none is due. */
  async #decideNext(nowMs: number): Promise<boolean> {
    const { kysely } = this.#options.database;
    let id: string | undefined;
    try {
      return await kysely.transaction().execute(async (trx) => {
        const row = await lockDueSchedule(trx, new Date(nowMs));
        if (row?.next_at == null) return false;
        id = row.id;
        const schedule = {
          id,
          catchUp: row.catch_up,
          overlap: row.overlap,
          jitterMs: row.jitter_ms,
          endAtMs: row.end_at?.getTime() ?? null,
          nextAtMs: row.next_at.getTime(),
          open: row.open,
          waiting: row.waiting,
        };
        const decision = decideDue(schedule, cronOccurrences(row.cron, row.timezone), nowMs);
        const { nextAtMs } = decision;
        const dueAtMs = nextAtMs === null ? null : nextAtMs + jitterOf(schedule, nextAtMs);
        await writeDecision(trx, row, { ...decision, dueAtMs }, new Date(nowMs));
        return true;
      });
    } catch (error) {
      // A pattern or a time zone that this version does not know any more; all else is tried again.
      if (id === undefined || !(error instanceof TrainyardError)) throw error;
      await pauseBroken(kysely, id, error.message, new Date(nowMs));
      return true;
    }
  }

  async #launchAll(ownerIds: readonly string[], nowMs: number): Promise<number> {
    let started = 0;
    const next = ownerIds.values();
    const work = async (): Promise<void> => {
      for (const ownerId of next) {
        // In two steps, or what the others added during the wait would be lost.
        const count = await this.#launch(ownerId, nowMs);
        started += count;
      }
    };
    await Promise.all(Array.from({ length: OWNERS_AT_ONCE }, work));
    return started;
  }

  /** Starts what may start of one owner; gives how many. */
  async #launch(ownerId: string, nowMs: number): Promise<number> {
    const { kysely } = this.#options.database;
    const now = new Date(nowMs);
    const chosen = await kysely.transaction().execute(async (trx) => {
      const owner = await lockOwner(trx, ownerId);
      if (owner === undefined) return undefined;
      const open = await openLaunches(trx, owner);
      const choice = chooseLaunches(
        policyOf(owner),
        open.map((row) => ({
          id: row.id,
          state: row.state,
          isAbandoned: row.claimed_until !== null && row.claimed_until <= now,
          isCancelRequested: row.cancel_requested_at !== null,
        })),
      );
      const byId = new Map(open.map((row) => [row.id, row]));
      const rowsOf = (ids: readonly number[]) => ids.flatMap((id) => byId.get(id) ?? []);
      const cancel = rowsOf(choice.cancel);
      await writeChoice(trx, { ...choice, cancel, claimedUntil: new Date(nowMs + CLAIM_MS) }, now);
      return { owner, start: rowsOf(choice.start), cancelled: cancel.length };
    });
    if (chosen === undefined) return 0;
    if (chosen.cancelled > 0) this.#options.bus.emit('inbox');
    for (const launch of chosen.start) await this.#startRun(chosen.owner, launch);
    return chosen.start.length;
  }

  async #startRun(owner: OwnerRow, launch: OpenRow): Promise<void> {
    const { database } = this.#options;
    const atMs = launch.at.getTime();
    try {
      const { id } = await submitRegistered(this.#options, {
        name: owner.pipeline,
        version: owner.version ?? 'latest',
        params: launchParams(owner, occurrencesOf(owner), atMs),
        // No key that comes by HTTP can hold a line break, so nobody else can use this one.
        idempotencyKey: `launch\n${owner.id}\n${launch.at.toISOString()}`,
      });
      await noteStarted(database.kysely, launch, owner, { runId: id, now: new Date(this.#now()) });
    } catch (error) {
      // What is wrong with the request stays wrong; all else is tried again when the claim has run out.
      if (!(error instanceof TrainyardError) || error.httpStatus >= 500) {
        this.#options.log.warn(
          { err: error, owner: owner.id, at: launch.at },
          'a planned run could not be started',
        );
        return;
      }
      await noteRefused(database.kysely, launch.id, error.message);
    }
  }

  async #cleanUp(nowMs: number): Promise<void> {
    if (nowMs - this.#cleanedAtMs < CLEAN_UP_EVERY_MS) return;
    this.#cleanedAtMs = nowMs;
    await removeOldSkipped(this.#options.database.kysely, new Date(nowMs - KEEP_SKIPPED_MS));
  }

  #run(): Promise<void> {
    return runWokenLoop({
      name: 'schedules',
      tick: () => this.tick(),
      wakeUp: this.#wakeUp,
      pauseMs: PAUSE_MS,
      signal: this.#stopping.signal,
      log: this.#options.log,
    });
  }
}

function policyOf(owner: OwnerRow): LaunchPolicy {
  return owner.kind === 'schedule'
    ? { kind: 'schedule', overlap: owner.overlap ?? 'skip' }
    : { kind: 'backfill', maxParallel: owner.max_parallel ?? 1 };
}

function occurrencesOf(owner: OwnerRow): Occurrences {
  if (owner.cron !== null) return cronOccurrences(owner.cron, owner.timezone);
  return everyOccurrences(owner.from_at!.getTime(), owner.every_ms!, owner.timezone);
}
