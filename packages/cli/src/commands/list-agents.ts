import { type AgentInfo, EXIT } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';

export function listAgentsCommand(context: CliContext): Promise<number> {
  return withServer(context, async ({ client }) => {
    const agents = await client.listAgents();
    if (context.json) {
      context.out(`${JSON.stringify(agents, null, 2)}\n`);
      return EXIT.ok;
    }
    if (agents.length === 0) context.err('No agents. Start one: trainyard agent --url URL\n');
    const rows = agents.map((agent) => [
      agent.id,
      agent.name,
      agent.online ? (agent.draining ? 'draining' : 'online') : `seen ${agent.lastSeenAt}`,
      slots(agent),
      gpus(agent),
      agent.telemetry === null ? '-' : percent(agent.telemetry.machine.cpu),
      memory(agent),
      agent.queues.join(','),
    ]);
    context.out(table(['id', 'name', 'state', 'slots', 'gpus', 'cpu', 'memory', 'queues'], rows));
    return EXIT.ok;
  });
}

/** With those that take no job until processes of their last one are gone. */
function slots({ busySlots, slots: count, outOfService }: AgentInfo): string {
  const waiting = outOfService.length === 0 ? '' : ` (${outOfService.length} out of service)`;
  return `${busySlots}/${count}${waiting}`;
}

/** How many, and how busy each is; a worker that pulls need not have told. */
function gpus({ gpus: count, telemetry }: AgentInfo): string {
  const busy = telemetry?.gpus.map(({ utilization }) => percent(utilization)) ?? [];
  if (count === null) return 'any';
  return busy.length === 0 ? String(count) : `${count} (${busy.join(' ')})`;
}

function memory({ telemetry }: AgentInfo): string {
  if (telemetry === null) return '-';
  const { memoryUsedBytes, memoryTotalBytes } = telemetry.machine;
  return `${gibibytes(memoryUsedBytes)}/${gibibytes(memoryTotalBytes)} GiB`;
}

function gibibytes(bytes: number): string {
  return (bytes / 1024 ** 3).toFixed(1);
}

function percent(value: number | null): string {
  return value === null ? '-' : `${Math.round(value)} %`;
}
