import type { ReportedDataset } from '@trainyard/protocol';

const MAX_COLUMNS = 2000;
const MAX_TYPE = 1000;
const TIME_LIMIT_MS = 10_000;

/**
 * Format and columns of a recorded file, from its first rows. What cannot be told is left out: a program may
 * record any file, and a broken one is found by who reads it.
 */
export async function describeContent(
  path: string,
  signal: AbortSignal,
): Promise<Pick<ReportedDataset, 'format' | 'columns'>> {
  // Most agents never need it.
  const { formatByName, openDataset } = await import('@trainyard/datasets');
  const format = formatByName(path);
  if (format === undefined) return {};
  try {
    const dataset = await openDataset(path, { signal });
    const { columns } = await within(
      dataset.schema(),
      AbortSignal.any([signal, AbortSignal.timeout(TIME_LIMIT_MS)]),
    );
    const isSmall = columns.length <= MAX_COLUMNS && columns.every(({ type }) => type.length <= MAX_TYPE);
    return isSmall ? { format, columns: [...columns] } : { format };
  } catch {
    signal.throwIfAborted();
    return { format };
  }
}

function within<T>(work: Promise<T>, stop: AbortSignal): Promise<T> {
  return Promise.race([
    work,
    new Promise<never>((_, fail) => {
      stop.addEventListener('abort', () => fail(stop.reason), { once: true });
    }),
  ]);
}
