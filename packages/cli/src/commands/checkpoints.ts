import { EXIT, isId, type ModelCheckpoint } from '@trainyard/protocol';
import type { CliContext } from '../cli-context.ts';
import { table } from '../view/table.ts';
import { withServer } from './runs.ts';

const MAX_LISTED = 1000;

export function listCheckpointsCommand(context: CliContext, of: string, deleted: boolean): Promise<number> {
  return withServer(context, async ({ client: { jobs } }) => {
    const query = { deleted, limit: MAX_LISTED };
    const items = isId('run', of)
      ? await jobs.checkpointsOfRun(of, query)
      : await jobs.checkpoints(of, query);
    if (context.json) {
      context.out(`${JSON.stringify(items, null, 2)}\n`);
      return EXIT.ok;
    }
    if (items.length === 0) context.err('No checkpoints.\n');
    const rows = items.map((item) => [
      ...[item.id, item.stage || '-', item.step === null ? '-' : String(item.step), metricsText(item)],
      ...[String(item.sizeBytes), stateOf(item), item.path],
    ]);
    context.out(table(['id', 'stage', 'step', 'metrics', 'bytes', 'state', 'path'], rows));
    if (items.length === MAX_LISTED) context.err(`These are the newest ${MAX_LISTED}; there may be more.\n`);
    return EXIT.ok;
  });
}

const DONE = { pin: 'pinned', unpin: 'not pinned any more', remove: 'will be removed' } as const;

export function changeCheckpointCommand(
  context: CliContext,
  change: keyof typeof DONE,
  id: string,
): Promise<number> {
  return withServer(context, async ({ client: { checkpoints } }) => {
    const checkpoint = await checkpoints[change](id);
    if (change === 'remove' && checkpoint.deletedAt === null) {
      context.err(
        'Its files are deleted by the next clean-up, or by the next training of a job with retention.\n',
      );
    }
    context.out(context.json ? `${JSON.stringify(checkpoint, null, 2)}\n` : `${id} ${DONE[change]}\n`);
    return EXIT.ok;
  });
}

function stateOf({ deletedAt, pinnedAt, removalRequestedAt }: ModelCheckpoint): string {
  if (deletedAt !== null) return `deleted ${deletedAt}`;
  if (pinnedAt !== null) return 'pinned';
  return removalRequestedAt === null ? '-' : 'to be removed';
}

function metricsText({ metrics }: ModelCheckpoint): string {
  const entries = Object.entries(metrics).map(([name, value]) => `${name}=${value}`);
  return entries.length === 0 ? '-' : entries.join(' ');
}
