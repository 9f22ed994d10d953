import { type RawBuilder, sql } from 'kysely';

/** A run as the beginning of a branch: itself and all that is below it. */
export interface Branch {
  readonly id: string;
  readonly rootId: string;
  /** "" for the root. */
  readonly path: string;
}

/** Condition on a runs table `r`: it belongs to the branch. Items of a foreach are named `PATH[0]`, not `PATH/0`. */
export function inBranch({ id, rootId, path }: Branch): RawBuilder<boolean> {
  if (path === '') return sql<boolean>`r.root_id = ${rootId}`;
  const below = sql`starts_with(r.path, ${`${path}/`}) or starts_with(r.path, ${`${path}[`})`;
  return sql<boolean>`(r.id = ${id} or (r.root_id = ${rootId} and (${below})))`;
}
