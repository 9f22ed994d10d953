import type { Run, RunTree } from '@trainyard/protocol';
import type { ScriptedAgent } from '../../testing/scripted-agent.ts';
import type { TestServer } from '../../testing/test-server.ts';

/** Ends stages as they come until the tree has ended: the ones named fail, the others give an output. */
export async function playTree(
  { t, agent }: { readonly t: TestServer; readonly agent: ScriptedAgent },
  id: string,
  failing: readonly string[] = [],
): Promise<{ tree: RunTree; ran: string[] }> {
  const ran: string[] = [];
  for (;;) {
    const tree = await t.treeWhen(id, (seen) => seen.endedAt !== null || hasQueued(seen));
    if (tree.endedAt !== null) return { tree, ran };
    const { body } = await agent.claim({ waitMs: 100 });
    for (const assignment of body.assignments) {
      const { stage } = assignment.spec;
      ran.push(stage);
      const error = { code: 'exit_code', message: 'exit code 1' };
      await agent.report(
        assignment,
        failing.includes(stage)
          ? { outcome: 'failed', exitCode: 1, error }
          : { outcome: 'completed', outputs: { file: `${stage}.csv`, score: stage.length } },
      );
    }
  }
}

export function hasQueued(tree: RunTree): boolean {
  return tree.status !== 'completed' && flat(tree).some(({ status }) => status === 'queued');
}

/** The run at a path of the tree. */
export function at(tree: RunTree, path: string): Run {
  return flat(tree).find((run) => run.path === path)!;
}

function flat(tree: RunTree): Run[] {
  return [tree, ...tree.children.flatMap(flat)];
}
