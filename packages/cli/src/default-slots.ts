import { availableParallelism } from 'node:os';

/** Slots of an agent that was told no number: one per core, and never less than two. */
export function defaultSlots(): number {
  return Math.max(2, availableParallelism());
}
