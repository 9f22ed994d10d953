import { sql } from 'kysely';
import { Gauge, type Registry } from 'prom-client';
import type { Attempts } from './attempts/attempts.ts';
import type { Database } from './store/database.ts';
import { createPoolStore } from './store/pools.ts';

/**
 * What there is to work with and how much of it is taken, read from the database when somebody asks: the same
 * on every server of one database. What cannot be read is left out.
 */
export function addCapacityMetrics(
  registry: Registry,
  { database, attempts }: { readonly database: Database; readonly attempts: Attempts },
): void {
  const registers = [registry];
  const pools = createPoolStore(database.kysely);
  new Gauge({
    name: 'trainyard_agent_slots',
    help: 'Slots of the agents that are in contact, taken and free.',
    labelNames: ['agent', 'state'],
    registers,
    async collect() {
      this.reset();
      for (const { name, slots, busySlots, online } of await orNone(attempts.agents())) {
        if (!online) continue;
        // Agents of one name are added up.
        this.inc({ agent: name, state: 'busy' }, busySlots);
        this.inc({ agent: name, state: 'free' }, Math.max(0, slots - busySlots));
      }
    },
  });
  new Gauge({
    name: 'trainyard_pool_slots',
    help: 'Slots of pools, taken and free. A pool that was made smaller may have more taken than it has.',
    labelNames: ['pool', 'state'],
    registers,
    async collect() {
      this.reset();
      for (const { name, slots, inUse } of await orNone(pools.list())) {
        this.set({ pool: name, state: 'busy' }, inUse);
        this.set({ pool: name, state: 'free' }, Math.max(0, slots - inUse));
      }
    },
  });
  new Gauge({
    name: 'trainyard_queued_attempts',
    help: 'Attempts that wait for an agent, by queue.',
    labelNames: ['queue'],
    registers,
    async collect() {
      this.reset();
      const counted = sql<{ queue: string; n: number }>`
        select queue, count(*)::int as n from attempts where status = 'queued' group by queue`;
      const { rows } = await counted.execute(database.kysely).catch(() => ({ rows: [] }));
      for (const { queue, n } of rows) this.set({ queue }, n);
    },
  });
}

async function orNone<T>(read: Promise<readonly T[]>): Promise<readonly T[]> {
  return read.catch(() => []);
}
