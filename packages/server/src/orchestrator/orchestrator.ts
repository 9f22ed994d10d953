import { setTimeout as sleep } from 'node:timers/promises';
import { newId } from '@trainyard/protocol';
import { sql } from 'kysely';
import { requirePools } from '../limits/require-pools.ts';
import { isDatabaseLost } from '../store/database-lost.ts';
import { askStore } from './ask-store.ts';
import { beginTree } from './begin-tree.ts';
import { DueTimers } from './due-timers.ts';
import { FACTS_PER_TICK, Inbox } from './inbox.ts';
import { insertTree } from './insert-tree.ts';
import { leaseAtOnce, settleLeases } from './lease-at-once.ts';
import { loadTree } from './load-tree.ts';
import type { Orchestrator, OrchestratorOptions } from './orchestrator-options.ts';
import type { OwnedTree } from './owned-tree.ts';
import { createOwnership, SERVER_RENEW_MS } from './ownership.ts';
import { type AttemptReport, ReportDesk, type WaitingReport } from './report-desk.ts';
import { RestingTrees } from './resting-trees.ts';
import { requestHash, type Submission } from './submission.ts';
import { takeIn } from './take-in.ts';
import { TreeChanges } from './tree-changes.ts';
import { type TreeWork, workByTree } from './tree-work.ts';
import { WakeUp } from './wake-up.ts';
import { OwnershipLost, writeTick } from './write-tick.ts';

/** Safety net for wake-ups that got lost. */
const IDLE_MS = 1000;

export type { Orchestrator } from './orchestrator-options.ts';

export function createOrchestrator(options: OrchestratorOptions): Orchestrator {
  return new TreeOwner(options);
}

class TreeOwner implements Orchestrator {
  readonly #options: OrchestratorOptions;
  readonly #now: () => number;
  readonly #serverId = newId('run').replace('run_', 'srv_');
  readonly #trees = new Map<string, OwnedTree>();
  readonly #timers: DueTimers;
  /** Trees that are ours but not in memory as the store has them; read again before the next tick. */
  readonly #stale = new Set<string>();
  readonly #resting = new RestingTrees();
  /** After a failed tick: one transaction per tree until a tick succeeds. */
  #isCareful = false;
  readonly #ownership;
  #loops: Promise<void>[] = [];
  #stopping = new AbortController();
  readonly #wakeUp = new WakeUp();
  readonly #inbox: Inbox;
  readonly #desk = new ReportDesk();

  constructor(options: OrchestratorOptions) {
    this.#options = options;
    this.#now = options.now ?? Date.now;
    this.#timers = new DueTimers(options.database.kysely);
    this.#ownership = createOwnership(options.database.kysely, {
      serverId: this.#serverId,
      exclusive: options.exclusive,
    });
    this.#inbox = new Inbox({ ...options, wake: this.#wakeUp.call });
  }

  get ownedTrees(): number {
    return this.#trees.size;
  }

  async start(): Promise<void> {
    await this.#ownership.register();
    await this.#takeOver();
    await this.#reloadStale();
    this.#inbox.open();
    this.#loops = [this.#runTicks(), this.#keepOwnership()];
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#wakeUp.call();
    await Promise.all(this.#loops);
    this.#inbox.close();
    this.#desk.close();
    await this.#ownership.release();
  }

  async submit(submission: Submission): Promise<{ rootId: string; isNew: boolean }> {
    const { kysely } = this.#options.database;
    await requirePools(kysely, submission.definition);
    const nowMs = this.#now();
    const { changes, group } = await beginTree(kysely, submission, nowMs);
    const { tree } = changes;
    const result = await insertTree(kysely, {
      ownerId: this.#serverId,
      changes,
      source: submission.source,
      written: submission.written,
      uses: submission.uses ?? [],
      fileName: submission.fileName,
      idempotencyKey: submission.idempotencyKey,
      requestSha256: requestHash(submission),
      pipeline: submission.pipeline ?? null,
      group,
      origin: submission.origin,
      nowMs,
    }).catch((error: unknown) => {
      // The connection may have broken after the commit: then the tree is there and waits for us.
      this.#stale.add(tree.rootId);
      throw error;
    });
    if (result.isNew) {
      this.#trees.set(tree.rootId, tree);
      this.#afterCommit([changes]);
    }
    return result;
  }

  takeReport(report: AttemptReport): Promise<boolean> {
    const taken = this.#desk.add(report);
    this.#wakeUp.call();
    return taken;
  }

  async tick(): Promise<boolean> {
    await this.#reloadStale();
    const nowMs = this.#now();
    const { timers, facts } = await this.#timers.takeWithFacts(nowMs, async (hasDue) => {
      // Reports alone need no look: what they follow on has been taken in, or they do not fit.
      const isNeeded = hasDue || this.#desk.isEmpty || !this.#inbox.isQuiet;
      return isNeeded ? this.#inbox.read(this.#trees) : [];
    });
    const reports = this.#desk.take(this.#timers.heldTrees());
    const work = workByTree({ timers, facts, reports });
    if (work.length === 0) return false;
    const wasCareful = this.#isCareful;
    this.#isCareful = false;
    for (const batch of wasCareful ? work.map((one) => [one]) : [work]) {
      // What fails together is tried again tree by tree, so that a tree that cannot be written stands alone.
      if (!(await this.#take(batch, nowMs))) this.#isCareful = true;
    }
    // One that fails alone waits for the next wake-up: it must not become a busy loop.
    return this.#isCareful ? !wasCareful : facts.length === FACTS_PER_TICK || !this.#desk.isEmpty;
  }

  /** Takes work into its trees in one transaction; false if that failed and the trees have to be read again. */
  async #take(batch: readonly TreeWork[], nowMs: number): Promise<boolean> {
    const taken = new Set<WaitingReport>();
    const changes: TreeChanges[] = [];
    let isWritten = false;
    try {
      for (const work of batch) {
        const tree = this.#trees.get(work.rootId);
        if (tree === undefined) continue;
        const change = new TreeChanges(tree);
        changes.push(change);
        for (const waiting of await takeIn(change, work, nowMs)) taken.add(waiting);
      }
      await askStore(this.#options.database.kysely, changes, nowMs);
      if (this.#options.openCalls !== undefined) leaseAtOnce(changes, this.#options.openCalls, nowMs);
      await writeTick(this.#options.database.keyedPool, {
        ownerId: this.#serverId,
        changes,
        inboxIds: batch.flatMap(({ facts }) => facts.map(({ id }) => id)),
        nowMs,
      });
      isWritten = true;
      this.#afterCommit(changes);
      for (const { rootId } of batch) this.#resting.forget(rootId);
    } catch (error) {
      const rootIds = batch.map(({ rootId }) => rootId);
      this.#forget(rootIds, error);
      const isItsOwn = !isDatabaseLost(error) && !(error instanceof OwnershipLost);
      if (isItsOwn && rootIds.length === 1) this.#resting.rest(rootIds[0]!, nowMs);
    } finally {
      settleLeases(changes, isWritten, this.#options.bus);
      for (const { reports } of batch) for (const each of reports) each.settle(isWritten && taken.has(each));
    }
    return isWritten;
  }

  /** Memory and store agree now: announce, arm timers, forget what has ended. */
  #afterCommit(changes: readonly TreeChanges[]): void {
    let [hasWork, hasFacts, hasGroups] = [false, false, false];
    for (const change of changes) {
      const { tree } = change;
      for (const timer of change.timers) this.#timers.add({ ...timer, rootId: tree.rootId });
      hasWork ||= change.attempts.length > change.leases.size || change.isAsking;
      hasFacts ||= change.isAsking || change.settlements.length > 0 || change.unclaimed.length > 0;
      hasGroups ||= change.concernsGroups;
      if (tree.runs[0]!.endedAt !== null) this.#trees.delete(tree.rootId);
      this.#options.bus.emit('tree', {
        rootId: tree.rootId,
        events: change.events,
        runs: change.dirtyNodes.map((node) => ({ ...tree.runs[node]! })),
      });
    }
    if (hasWork) this.#options.bus.emit('work');
    if (hasGroups) this.#options.bus.emit('groups');
    if (hasFacts || changes.some((change) => change.timers.length > 0)) this.#wakeUp.call();
  }

  /** After a failed transaction memory is ahead of the store: these trees have to be read again. */
  #forget(rootIds: readonly string[], cause: unknown): void {
    for (const rootId of rootIds) {
      this.#trees.delete(rootId);
      this.#stale.add(rootId);
    }
    if (cause instanceof OwnershipLost) return;
    this.#options.log.warn({ err: cause, rootIds }, 'a tick could not be written; reading its trees again');
  }

  /** Claims what has no live owner; the next tick reads it. */
  async #takeOver(): Promise<void> {
    for (;;) {
      const claimed = await this.#ownership.takeOver();
      if (claimed.length === 0) return;
      for (const rootId of claimed) this.#stale.add(rootId);
      this.#options.log.info({ trees: claimed.length }, 'took over run trees');
      this.#wakeUp.call();
    }
  }

  /** Reads what is stale and still ours, with a new epoch so that no earlier write of ours can follow. */
  async #reloadStale(): Promise<void> {
    if (this.#stale.size === 0) return;
    const nowMs = this.#now();
    const rootIds = [...this.#stale].filter((rootId) => !this.#resting.isResting(rootId, nowMs));
    if (rootIds.length === 0) return;
    const { kysely } = this.#options.database;
    const { rows } = await sql<{ root_id: string; epoch: number }>`
      update trees set epoch = epoch + 1
      where root_id = any(${rootIds}::text[]) and owner_id = ${this.#serverId} and ended_at is null
      returning root_id, epoch`.execute(kysely);
    const ours = new Set(rows.map((row) => row.root_id));
    for (const rootId of rootIds) {
      if (ours.has(rootId)) continue;
      this.#stale.delete(rootId);
      this.#resting.forget(rootId);
    }
    for (const row of rows) if (await this.#load(row.root_id, row.epoch)) this.#stale.delete(row.root_id);
  }

  /** False when the tree cannot be read now: it must not hold up the others, and is looked at again later. */
  async #load(rootId: string, epoch: number): Promise<boolean> {
    const { database, log } = this.#options;
    try {
      const { tree, timers } = await loadTree(database.kysely, {
        rootId,
        epoch,
        nowMs: this.#now(),
      });
      this.#trees.set(rootId, tree);
      this.#timers.awaitAgentsOf(rootId);
      for (const timer of timers) this.#timers.add({ ...timer, rootId });
      return true;
    } catch (error) {
      if (isDatabaseLost(error)) throw error;
      const againInMs = this.#resting.rest(rootId, this.#now());
      log.error({ err: error, rootId, againInMs }, 'a run tree cannot be read and stands still');
      return false;
    }
  }

  async #runTicks(): Promise<void> {
    while (!this.#stopping.signal.aborted) {
      let more = false;
      this.#timers.noteRound(this.#now(), this.#trees.keys());
      const untilTimerMs = (this.#timers.nextAtMs ?? Number.POSITIVE_INFINITY) - this.#now();
      const woken = this.#wakeUp.within(Math.min(IDLE_MS, untilTimerMs));
      try {
        more = await this.tick();
      } catch (error) {
        this.#options.log.error({ err: error }, 'a tick failed');
        await sleep(IDLE_MS);
      }
      if (!more) await woken;
    }
  }

  async #keepOwnership(): Promise<void> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      await sleep(SERVER_RENEW_MS, undefined, { signal }).catch(() => {});
      if (signal.aborted) return;
      try {
        await this.#ownership.renew();
        await this.#takeOver();
      } catch (error) {
        this.#options.log.error({ err: error }, 'the server could not renew its lease');
      }
    }
  }
}
