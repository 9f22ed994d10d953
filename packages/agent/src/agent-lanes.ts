import { TrainyardError } from '@trainyard/protocol';

/** A queue that an agent serves; with slots of its own, or with those that all others share. */
export type AgentQueue = string | { readonly name: string; readonly slots: number };

/** Queues that share slots. */
export interface AgentLane {
  readonly queues: readonly string[];
  readonly slots: number;
}

/**
 * Lanes of an agent: one for each queue with slots of its own, and one for the others.
 * @param slots of the others
 * @throws TrainyardError USAGE
 */
export function agentLanes(queues: readonly AgentQueue[], slots: number): AgentLane[] {
  if (queues.length === 0)
    throw new TrainyardError('USAGE', 'An agent needs at least one queue; the list is empty.');
  const names = queues.map(nameOf);
  const twice = names.find((name, at) => names.indexOf(name) < at);
  if (twice !== undefined) throw new TrainyardError('USAGE', `The queue "${twice}" is named twice.`);
  const own = queues.flatMap((queue) => (typeof queue === 'string' ? [] : [queue]));
  const bad = own.find((queue) => !Number.isSafeInteger(queue.slots) || queue.slots < 1);
  if (bad !== undefined) {
    throw new TrainyardError(
      'USAGE',
      `The queue "${bad.name}" has ${bad.slots} slots; it must be a whole number of at least 1.`,
    );
  }
  const others = queues.filter((queue) => typeof queue === 'string');
  return [
    ...(others.length === 0 ? [] : [{ queues: others, slots }]),
    ...own.map((queue) => ({ queues: [queue.name], slots: queue.slots })),
  ];
}

/** The lane of a queue; the first for one that the agent does not serve any more. */
export function laneOf(lanes: readonly AgentLane[], queue: string): number {
  return Math.max(
    0,
    lanes.findIndex(({ queues }) => queues.includes(queue)),
  );
}

function nameOf(queue: AgentQueue): string {
  return typeof queue === 'string' ? queue : queue.name;
}
