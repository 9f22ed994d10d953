import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { trackerConformance } from '../testing/tracker-conformance.ts';
import { csvTracker } from './csv-tracker.ts';
import { filesTracker } from './files-tracker.ts';

const root = mkdtempSync(join(tmpdir(), 'trainyard-trackers-'));
afterAll(() => rmSync(root, { recursive: true }));

function linesOf(path: string): string[] {
  return existsSync(path) ? readFileSync(path, 'utf8').trimEnd().split('\n') : [];
}

trackerConformance('trainyard', {
  keepsParams: false,
  keepsNegativeSteps: false,
  statuses: ['completed', 'stopped', 'failed', 'cancelled'],
  async make() {
    const directory = mkdtempSync(join(root, 'files-'));
    return {
      tracker: filesTracker({ directory, job: 'run' }),
      async read() {
        const values = linesOf(join(directory, 'run_metrics.jsonl')).flatMap((line) => {
          const { step, timestamp: _, ...point } = JSON.parse(line) as Record<string, number>;
          return Object.entries(point).map(([name, value]) => [name, step!, Number(value)] as const);
        });
        const { status } = JSON.parse(readFileSync(join(directory, 'run_status.json'), 'utf8'));
        return { values, status };
      },
    };
  },
});

trackerConformance('csv', {
  keepsParams: false,
  async make() {
    const path = join(mkdtempSync(join(root, 'csv-')), 'inner', 'metrics.csv');
    return {
      tracker: csvTracker(path),
      async read() {
        const rows = linesOf(path)
          .slice(1)
          .map((line) => line.split(','));
        const values = rows.map(([, of, , , step, name, part, value]) => {
          const key = of === 'batch' ? `batch/${name}` : name!;
          return [part === '' ? key : `${key}/${part}`, Number(step), Number(value)] as const;
        });
        return { values };
      },
    };
  },
});

it('a CSV file is quoted where it has to be, and appended to by a run that resumes', () => {
  const path = join(root, 'quoted.csv');
  const record = { name: 'f1', value: 0.5, step: 2, epoch: 2, batch: null, of: 'epoch', timeMs: 7 } as const;
  csvTracker(path).track!([{ ...record, labels: { 'a "cat", or dog': 1 } }]);
  csvTracker(path).track!([record]);
  expect(readFileSync(path, 'utf8')).toBe(
    'time_ms,of,epoch,batch,step,name,part,value\n7,epoch,2,,2,f1,,0.5\n7,epoch,2,,2,f1,"a ""cat"", or dog",1\n7,epoch,2,,2,f1,,0.5\n',
  );
});
