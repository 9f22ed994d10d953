import type { Client } from '@trainyard/client';
import { type RunTree, TrainyardError } from '@trainyard/protocol';

/** The id that was given, or that of the newest root run. @throws TrainyardError NOT_FOUND */
export async function idOrNewest(client: Client, id: string | undefined): Promise<string> {
  if (id !== undefined && id !== 'latest') return id;
  const newest = (await client.listRuns({ limit: 1 })).items[0];
  if (newest !== undefined) return newest.id;
  throw new TrainyardError('NOT_FOUND', 'There are no runs yet. Start one with: trainyard run FILE');
}

/** The run at `path` (such as "sweep/large") below the one with the id. @throws TrainyardError NOT_FOUND */
export async function findStage(client: Client, id: string, path: string | undefined): Promise<RunTree> {
  const tree = await client.getTree(id);
  if (path === undefined) return tree;
  const runs = [...descend(tree)];
  const found = runs.find((run) => run.path === path) ?? runs.find((run) => run.path.endsWith(`/${path}`));
  if (found !== undefined) return found;
  const known = runs.flatMap((run) => (run.path === '' ? [] : [run.path])).slice(0, 20);
  throw new TrainyardError('NOT_FOUND', `Run ${id} has no stage "${path}"; it has: ${known.join(', ')}`);
}

/** The run and all below it, in the order of the definition. */
export function* descend(tree: RunTree): Generator<RunTree> {
  const open = [tree];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    yield next;
    open.push(...[...next.children].reverse());
  }
}
