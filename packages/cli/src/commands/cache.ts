import { EXIT } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { readDuration } from '../options/duration-option.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';

export interface CacheFilter {
  readonly pipeline?: string;
  readonly stage?: string;
}

export function listCacheCommand(
  context: CliContext,
  { limit, ...filter }: CacheFilter & { readonly limit: number },
): Promise<number> {
  return withServer(context, async ({ client }) => {
    const entries = await client.listCache({ ...filter, limit });
    if (context.json) {
      context.out(`${JSON.stringify(entries, null, 2)}\n`);
      return EXIT.ok;
    }
    if (entries.length === 0) context.err('The cache is empty.\n');
    const rows = entries.map((entry) => [
      entry.key.slice(0, 12),
      entry.pipeline,
      entry.stage,
      entry.runId,
      entry.createdAt,
    ]);
    context.out(table(['key', 'pipeline', 'stage', 'run', 'created'], rows));
    return EXIT.ok;
  });
}

export function clearCacheCommand(
  context: CliContext,
  { olderThan, ...filter }: CacheFilter & { readonly olderThan?: string },
): Promise<number> {
  const olderThanMs = olderThan === undefined ? undefined : readDuration('older-than', olderThan);
  return withServer(
    context,
    async ({ client }) => {
      const removed = await client.clearCache({ ...filter, olderThanMs });
      context.out(
        context.json
          ? `${JSON.stringify({ removed })}\n`
          : `${removed} ${removed === 1 ? 'result' : 'results'} forgotten\n`,
      );
      return EXIT.ok;
    },
    { once: true },
  );
}
