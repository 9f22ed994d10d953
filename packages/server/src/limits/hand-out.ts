import { type AttemptLimit, gateOf, isGroup, nameOf, readGate } from './attempt-limit.ts';

/** A queued attempt that an agent could run. */
export interface Candidate {
  readonly id: string;
  /** Lower goes first; equal ones by id. */
  readonly rank: number;
  readonly gpus: number;
  readonly limits: readonly AttemptLimit[] | null;
  /** The limit that it stood aside for, if it did. */
  readonly gate: string | null;
}

/** How much of every limit is held, and how much there is of every pool. */
export interface Usage {
  readonly held: ReadonlyMap<string, number>;
  readonly poolSlots: ReadonlyMap<string, number>;
}

export interface HandOut {
  /** Ids to hand out, in this order. */
  readonly taken: readonly string[];
  /** Attempts that stand aside from now on, or at another gate than before. */
  readonly parked: readonly { readonly id: string; readonly gate: string }[];
}

/**
 * Decides which candidates an agent gets: by rank, each only if all its limits have room, counted together
 * with those handed out before it. What does not fit stands aside and holds up nobody, with one exception:
 * an attempt that waits for several slots of a pool (`first`) is not overtaken for that pool, or small ones
 * would keep it waiting for ever.
 */
export function handOut(
  candidates: readonly Candidate[],
  usage: Usage,
  free: { readonly slots: number; readonly gpus: number },
  first: readonly Candidate[] = [],
): HandOut {
  const held = new Map(usage.held);
  const reserved = reservations(first);
  const taken: string[] = [];
  const parked: { id: string; gate: string }[] = [];
  let gpusLeft = free.gpus;
  for (const candidate of [...candidates].sort(byRank)) {
    if (taken.length === free.slots) break;
    if (candidate.gpus > gpusLeft) continue;
    const limits = candidate.limits ?? [];
    const full = limits.find(
      (limit) => !hasRoom(limit, held, usage.poolSlots) || isReserved(limit, candidate, reserved),
    );
    if (full !== undefined) {
      const gate = gateOf(full);
      if (gate !== candidate.gate) parked.push({ id: candidate.id, gate });
      continue;
    }
    for (const { key, slots } of limits) held.set(key, (held.get(key) ?? 0) + slots);
    taken.push(candidate.id);
    gpusLeft -= candidate.gpus;
  }
  return { taken, parked };
}

/** True when those who stand at a gate fit. */
export function isOpen(gate: string, { held, poolSlots }: Usage): boolean {
  const { key, slots, capacity } = readGate(gate, poolSlots);
  return capacity !== undefined && (held.get(key) ?? 0) + slots <= capacity;
}

/** True for a gate that is shut only for now, to an attempt that needs more than one slot at once. */
export function isReserving(gate: string, usage: Usage): boolean {
  const { slots, capacity } = readGate(gate, usage.poolSlots);
  return slots > 1 && capacity !== undefined && slots <= capacity && !isOpen(gate, usage);
}

function hasRoom(
  limit: AttemptLimit,
  held: ReadonlyMap<string, number>,
  poolSlots: ReadonlyMap<string, number>,
): boolean {
  const capacity = isGroup(limit) ? limit.limit : poolSlots.get(nameOf(limit.key));
  return capacity !== undefined && (held.get(limit.key) ?? 0) + limit.slots <= capacity;
}

/** For each key the foremost of those that wait for it. */
function reservations(first: readonly Candidate[]): ReadonlyMap<string, Candidate> {
  const reserved = new Map<string, Candidate>();
  for (const candidate of first) {
    const limit = candidate.limits?.find((each) => gateOf(each) === candidate.gate);
    if (limit === undefined) continue;
    const known = reserved.get(limit.key);
    if (known === undefined || byRank(candidate, known) < 0) reserved.set(limit.key, candidate);
  }
  return reserved;
}

function isReserved(
  { key }: AttemptLimit,
  candidate: Candidate,
  reserved: ReadonlyMap<string, Candidate>,
): boolean {
  const first = reserved.get(key);
  return first !== undefined && byRank(first, candidate) < 0;
}

function byRank(a: Candidate, b: Candidate): number {
  return a.rank - b.rank || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}
