import { appendFileSync, existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import type { MetricRecord, Tracker } from './tracker.ts';

const HEAD = 'time_ms,of,epoch,batch,step,name,part,value\n';

/**
 * Writes a line of a CSV file for each value and one for each of its parts, in the order in which they were recorded.
 * `of` is the level at whose end a value was recorded, and empty for one that was tracked at once. A file that is there
 * is appended to, so a run that resumes goes on in it. Each value is with the operating system when the call returns.
 */
export function csvTracker(path = 'metrics.csv'): Tracker {
  return {
    name: `csv ${path}`,
    track(records) {
      mkdirSync(dirname(path), { recursive: true });
      appendFileSync(path, (existsSync(path) ? '' : HEAD) + records.map(linesOf).join(''));
    },
  };
}

function linesOf({ timeMs, of, epoch, batch, step, name, value, labels = {} }: MetricRecord): string {
  const place = [timeMs, of ?? '', epoch ?? '', batch ?? '', step, quoted(name)].join(',');
  const parts = Object.entries(labels).map(([part, each]) => `${place},${quoted(part)},${each}\n`);
  return `${place},,${value}\n${parts.join('')}`;
}

/** As RFC 4180 has it. */
function quoted(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
