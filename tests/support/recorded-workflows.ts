import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';

export interface RecordedWorkflow {
  readonly name: string;
  /** WfFormat 1.5. */
  readonly source: string;
}

/**
 * Recorded scientific workflows of wfcommons/WfInstances, which are not part of the repository, and one made up
 * here so that there always is one. WFINSTANCES_DIR names another directory with recordings.
 */
export function recordedWorkflows(): RecordedWorkflow[] {
  const directory =
    process.env['WFINSTANCES_DIR'] ?? resolve(import.meta.dirname, '../../../shared/data/wfinstances');
  const files = existsSync(directory) ? readdirSync(directory).filter((file) => file.endsWith('.json')) : [];
  const recorded = files.map((file) => ({
    name: file.replace(/\.json$/, ''),
    source: readFileSync(resolve(directory, file), 'utf8'),
  }));
  return [{ name: 'made-up', source: JSON.stringify(forkJoin(40)) }, ...recorded];
}

/** Split, so many uneven tasks in three groups with a merge each, and a report. */
function forkJoin(width: number) {
  const group = (index: number): string => `merge_${index % 3}`;
  const tasks = [
    { id: 'split', parents: [], children: [] as string[], runtimeInSeconds: 2.5 },
    ...Array.from({ length: width }, (_, index) => ({
      id: `work_${index}`,
      parents: ['split'],
      children: [group(index)],
      runtimeInSeconds: 1 + ((index * 7) % 13),
    })),
    ...[0, 1, 2].map((index) => ({
      id: group(index),
      parents: [],
      children: ['report'],
      runtimeInSeconds: 3,
    })),
    { id: 'report', parents: ['merge_0', 'merge_1', 'merge_2'], children: [], runtimeInSeconds: 0.25 },
  ];
  return {
    name: 'made up',
    schemaVersion: '1.5',
    workflow: {
      specification: { tasks: tasks.map(({ runtimeInSeconds: _, ...task }) => task) },
      execution: { tasks: tasks.map(({ id, runtimeInSeconds }) => ({ id, runtimeInSeconds })) },
    },
  };
}
