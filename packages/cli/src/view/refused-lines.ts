import type { RefusedLines } from '@trainyard/protocol';
import { oneLine } from './tree-view.ts';

/** What the streams are called for people; others by their own name. */
const STREAMS: ReadonlyMap<string, string> = new Map([
  ['metrics', 'the metrics file'],
  ['reported', 'what the program reported'],
]);

/** How many lines of metrics could not be read, and the first of them with the reason. */
export function refusedText(refused: readonly RefusedLines[]): string {
  const lines = refused.flatMap(({ path, attempt, stream, lines, first }) => {
    const where = path === '' ? '' : `${path}  `;
    const more = lines - first.length;
    return [
      `  ${where}attempt ${attempt}: ${lines} of ${STREAMS.get(stream) ?? stream}`,
      ...first.map(({ line, problem }) => `    line ${line}: ${oneLine(problem)}`),
      ...(more > 0 ? [`    and ${more} more`] : []),
    ];
  });
  return ['lines of metrics that could not be read', ...lines].join('\n');
}
