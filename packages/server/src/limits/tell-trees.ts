import type pg from 'pg';
import type { Fact } from '../orchestrator/facts.ts';
import { jsonbText } from '../store/jsonb-text.ts';

/** Puts facts into the inboxes of their trees, in this order. */
export async function tellTrees(
  client: pg.PoolClient,
  facts: readonly { readonly root_id: string; readonly event: Fact }[],
): Promise<void> {
  await client.query({
    name: 'limits-tell',
    text: `
      insert into tree_inbox (root_id, event)
      select x.fact ->> 'root_id', x.fact -> 'event'
      from jsonb_array_elements($1::jsonb) with ordinality as x(fact, position)
      order by x.position`,
    values: [jsonbText(facts)],
  });
}
