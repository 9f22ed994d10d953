import type { OnConflict } from '@trainyard/protocol';

/** Something that an attempt takes part of as long as an agent has it, as stored with the attempt. */
export type AttemptLimit = PoolLimit | GroupLimit;

interface PoolLimit {
  readonly key: `pool/${string}`;
  readonly slots: number;
}

export interface GroupLimit {
  readonly key: `group/${string}`;
  readonly slots: 1;
  /** How many attempts may hold the group at the same time. */
  readonly limit: number;
  readonly onConflict: OnConflict;
}

export function poolLimit(name: string, slots: number): PoolLimit {
  return { key: `pool/${name}`, slots };
}

export function groupLimit(name: string, limit: number, onConflict: OnConflict): GroupLimit {
  return { key: `group/${name}`, slots: 1, limit, onConflict };
}

export function isGroup(limit: AttemptLimit): limit is GroupLimit {
  return limit.key.startsWith('group/');
}

/** The key of the group in which a newcomer does not simply wait for room; null when there is none. */
export function replacingGroup(limits: readonly AttemptLimit[] | null): string | null {
  const group = limits?.find(isGroup);
  return group === undefined || group.onConflict === 'queue' ? null : group.key;
}

/** The name of the pool or group of a key. */
export function nameOf(key: string): string {
  return key.slice(key.indexOf('/') + 1);
}

/**
 * Where an attempt stands aside until a limit has room for it: the key and its demand, which is the slots
 * that it needs of a pool, or the limit of a group. All that stand at one gate fit or do not fit alike.
 */
export function gateOf(limit: AttemptLimit): string {
  return `${limit.key}/${isGroup(limit) ? limit.limit : limit.slots}`;
}

export interface Gate {
  readonly key: string;
  readonly slots: number;
  /** How much may be held with it; undefined for a pool that does not exist. */
  readonly capacity: number | undefined;
}

export function readGate(gate: string, poolSlots: ReadonlyMap<string, number>): Gate {
  const at = gate.lastIndexOf('/');
  const key = gate.slice(0, at);
  const demand = Number(gate.slice(at + 1));
  return key.startsWith('group/')
    ? { key, slots: 1, capacity: demand }
    : { key, slots: demand, capacity: poolSlots.get(nameOf(key)) };
}
