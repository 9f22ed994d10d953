import {
  type AgentInfo,
  isSuccessfulRunStatus,
  isTerminalRunStatus,
  type Run,
  type RunWait,
} from '@trainyard/protocol';
import { texts } from '../texts.ts';
import { waitsForPerson } from './approval-form.ts';
import { dependenciesOf, type RunModel } from './run-model.ts';

/**
 * Why a run does not run yet, in one sentence; `undefined` for one that runs or has ended.
 *
 * @param waits pools and concurrency groups without room, of the whole tree
 */
export function whyWaiting(
  model: RunModel,
  run: Run,
  agents: readonly AgentInfo[],
  waits: readonly RunWait[],
): string | undefined {
  switch (run.status) {
    case 'pending':
      return run.reason ?? whyPending(model, run);
    case 'queued':
      return whyQueued(run, agents, waits);
    case 'starting':
      return texts.details.whyStarting;
    case 'waiting':
      return run.reason ?? (waitsForPerson(run) ? texts.details.whyPerson : texts.details.whyWaiting);
    default:
      return undefined;
  }
}

function whyPending(model: RunModel, run: Run): string {
  const open = dependenciesOf(model, run).filter(
    (other) => !(isTerminalRunStatus(other.status) && isSuccessfulRunStatus(other.status)),
  );
  if (open.length > 0) {
    const named = open
      .slice(0, 5)
      .map((other) => `${other.name} (${texts.status[other.status].toLowerCase()})`);
    const more = open.length > 5 ? ` +${open.length - 5}` : '';
    return texts.details.whyDependencies(named.join(', ') + more);
  }
  const parent = run.parentId === null ? undefined : model.runs.get(run.parentId);
  if (parent !== undefined && parent.startedAt === null) {
    return texts.details.whyParent(parent.path || parent.name);
  }
  return texts.details.whyRoom;
}

function whyQueued(run: Run, agents: readonly AgentInfo[], waits: readonly RunWait[]): string {
  const reason = waits.find(({ runId }) => runId === run.id)?.reason;
  if (reason !== undefined) return texts.details.whyLimit(reason);
  // Not an agent, but other runs are what a whole run is queued for.
  if (run.kind === 'pipeline' && run.reason !== null) return texts.details.whyLimit(run.reason);
  const online = agents.filter((agent) => agent.online);
  if (online.length === 0) return texts.details.whyAgentNone;
  const busy = online.reduce((sum, agent) => sum + agent.busySlots, 0);
  const slots = online.reduce((sum, agent) => sum + agent.slots, 0);
  return busy >= slots ? texts.details.whyAgentFull(busy, slots) : texts.details.whyAgent;
}
