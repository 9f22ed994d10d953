import { AGENT_PROTOCOL } from '@trainyard/protocol';
import { type Kysely, sql } from 'kysely';
import type { Schema } from '../store/schema.ts';

/** An agent that is alive is heard of within a heartbeat and the wait before a call is tried again. */
const CONTACT_GRACE_MS = AGENT_PROTOCOL.heartbeatMs + 5000;
/** What an agent had to tell comes soon after its first call. */
const REPORTS_FOLLOW_MS = 3000;

/** Whose agents have not been heard of since the server took the tree, or went on after a standstill. */
export class FirstContact {
  readonly #db: Kysely<Schema>;
  /** By tree: since when, and until when at the longest. On the clock of this process, which no one sets. */
  readonly #awaited = new Map<string, { readonly sinceMs: number; untilMs: number; isHeard: boolean }>();
  #sweepAtMs = 0;

  constructor(db: Kysely<Schema>) {
    this.#db = db;
  }

  awaitAgentsOf(rootId: string): void {
    const sinceMs = performance.now();
    this.#sweep(sinceMs);
    this.#awaited.set(rootId, { sinceMs, untilMs: sinceMs + CONTACT_GRACE_MS, isHeard: false });
  }

  isAwaiting(rootId: string): boolean {
    const awaited = this.#awaited.get(rootId);
    return awaited !== undefined && performance.now() < awaited.untilMs;
  }

  /** Those of the trees whose time limits have to wait. */
  async stillAwaited(rootIds: ReadonlySet<string>): Promise<ReadonlySet<string>> {
    const nowMs = performance.now();
    const asked = [...rootIds].flatMap((rootId) => {
      const awaited = this.#awaited.get(rootId);
      return awaited === undefined || awaited.untilMs <= nowMs
        ? []
        : [{ rootId, forMs: nowMs - awaited.sinceMs }];
    });
    if (asked.length === 0) return new Set();
    const holders = await this.#holdersOf(asked);
    const waiting = new Set<string>();
    for (const { rootId } of asked) {
      const isHeard = holders.get(rootId);
      if (isHeard === undefined) {
        this.#awaited.delete(rootId);
        continue;
      }
      const awaited = this.#awaited.get(rootId)!;
      if (isHeard && !awaited.isHeard) {
        awaited.isHeard = true;
        awaited.untilMs = Math.min(awaited.untilMs, nowMs + REPORTS_FOLLOW_MS);
      }
      waiting.add(rootId);
    }
    return waiting;
  }

  /** Trees of which agents hold attempts that run, and whether all these agents have been heard of. */
  async #holdersOf(
    asked: readonly { readonly rootId: string; readonly forMs: number }[],
  ): Promise<ReadonlyMap<string, boolean>> {
    const rootIds = asked.map(({ rootId }) => rootId);
    const forMs = asked.map((each) => each.forMs);
    const { rows } = await sql<{ root_id: string; is_heard: boolean }>`
      select a.root_id,
        bool_and(g.last_seen_at > now() - x.for_ms * interval '1 millisecond') as is_heard
      from unnest(${rootIds}::text[], ${forMs}::float8[]) as x(root_id, for_ms)
      join attempts a on a.root_id = x.root_id and a.status in ('leased', 'running')
      join agents g on g.id = a.agent_id
      group by a.root_id`.execute(this.#db);
    return new Map(rows.map((row) => [row.root_id, row.is_heard]));
  }

  #sweep(nowMs: number): void {
    if (nowMs < this.#sweepAtMs) return;
    this.#sweepAtMs = nowMs + CONTACT_GRACE_MS;
    for (const [rootId, { untilMs }] of this.#awaited) if (untilMs <= nowMs) this.#awaited.delete(rootId);
  }
}
