import { EXIT, type PoolDetails, type PoolUser } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';

export interface SetPoolOptions {
  readonly slots: number;
  readonly description?: string;
}

export function setPoolCommand(context: CliContext, name: string, options: SetPoolOptions): Promise<number> {
  return withServer(
    context,
    async ({ client }) => {
      const pool = await client.setPool(name, options);
      if (context.json) context.out(`${JSON.stringify(pool, null, 2)}\n`);
      else context.out(`${name} has ${pool.slots} ${pool.slots === 1 ? 'slot' : 'slots'}\n`);
      return EXIT.ok;
    },
    { once: true },
  );
}

export function listPoolsCommand(context: CliContext): Promise<number> {
  return withServer(context, async ({ client }) => {
    const pools = await client.listPools();
    if (context.json) {
      context.out(`${JSON.stringify(pools, null, 2)}\n`);
      return EXIT.ok;
    }
    if (pools.length === 0) context.err('No pools. Make one: trainyard pools set NAME --slots N\n');
    const rows = pools.map((pool) => [
      pool.name,
      String(pool.slots),
      String(pool.inUse),
      String(pool.waiting),
      pool.description ?? '-',
    ]);
    context.out(table(['name', 'slots', 'in use', 'waiting', 'description'], rows));
    return EXIT.ok;
  });
}

export function showPoolCommand(context: CliContext, name: string): Promise<number> {
  return withServer(context, async ({ client }) => {
    const pool = await client.getPool(name);
    context.out(context.json ? `${JSON.stringify(pool, null, 2)}\n` : poolText(pool));
    return EXIT.ok;
  });
}

export function deletePoolCommand(context: CliContext, name: string): Promise<number> {
  return withServer(
    context,
    async ({ client }) => {
      const { waiting } = await client.getPool(name);
      await client.deletePool(name);
      if (waiting > 0) {
        context.err(`${waiting} waiting for it: they wait until a pool of this name exists again.\n`);
      }
      context.out(context.json ? `${JSON.stringify({ name, deleted: true })}\n` : `${name} deleted\n`);
      return EXIT.ok;
    },
    { once: true },
  );
}

function poolText(pool: PoolDetails): string {
  const lines = [`${pool.name}: ${pool.inUse} of ${pool.slots} slots in use, ${pool.waiting} waiting`];
  if (pool.description !== null) lines.push(pool.description);
  if (pool.holders.length > 0) lines.push('', usersTable(pool.holders, 'held since').trimEnd());
  if (pool.queue.length > 0) lines.push('', usersTable(pool.queue, 'waits since').trimEnd());
  const more = pool.waiting - pool.queue.length;
  if (more > 0) lines.push(`… and ${more} more`);
  return `${lines.join('\n')}\n`;
}

function usersTable(users: readonly PoolUser[], since: string): string {
  return table(
    [since, 'slots', 'run', 'stage', 'id'],
    users.map((user) => [user.since, String(user.slots), user.runName, user.path, user.runId]),
  );
}
