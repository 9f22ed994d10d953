import { EXIT, type FindingInfo } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { idOrNewest } from '../find-run.ts';
import { table } from '../view/table.ts';
import { oneLine } from '../view/tree-view.ts';
import { withServer } from './runs.ts';

export interface ListFindingsOptions {
  readonly all?: boolean;
  readonly limit: number;
}

const PAGE = 500;

export function listFindingsCommand(
  context: CliContext,
  given: string | undefined,
  { all = false, limit }: ListFindingsOptions,
): Promise<number> {
  return withServer(context, async ({ client }) => {
    const run = given === undefined ? {} : { run: await idOrNewest(client, given) };
    const which = all ? {} : given === undefined ? { unseen: true } : { open: true };
    const items: FindingInfo[] = [];
    for (let cursor: string | null | undefined; cursor !== null && items.length < limit; ) {
      const wanted = Math.min(PAGE, limit - items.length);
      const next = await client.listFindings({
        ...run,
        ...which,
        limit: wanted,
        ...(cursor ? { cursor } : {}),
      });
      items.push(...next.items);
      cursor = next.nextCursor;
    }
    if (context.json) {
      context.out(`${JSON.stringify(items, null, 2)}\n`);
      return EXIT.ok;
    }
    if (items.length === 0) context.err(`Nothing was found${all ? '' : ' that is still open'}.\n`);
    const rows = items.map((finding) => [
      finding.id,
      finding.path === '' ? finding.pipeline : `${finding.pipeline}/${finding.path}`,
      finding.severity,
      finding.rule,
      finding.openedAt,
      stateOf(finding),
      oneLine(finding.message).slice(0, 120),
    ]);
    context.out(table(['id', 'stage', 'severity', 'rule', 'since', 'state', 'message'], rows));
    return EXIT.ok;
  });
}

function stateOf({ closedAt, acknowledgedBy }: FindingInfo): string {
  const seen = acknowledgedBy === null ? '' : `, seen by ${acknowledgedBy}`;
  return `${closedAt === null ? 'open' : 'over'}${seen}`;
}

export function acknowledgeCommand(context: CliContext, id: string): Promise<number> {
  return withServer(context, async ({ client }) => {
    const finding = await client.acknowledgeFinding(id);
    context.out(
      context.json
        ? `${JSON.stringify(finding, null, 2)}\n`
        : `${finding.id} seen by ${finding.acknowledgedBy}\n`,
    );
    return EXIT.ok;
  });
}
