import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Attempt, RunTree } from '@trainyard/protocol';
import { api, flatten } from './api.ts';
import { type Finished, runTrainyard } from './run-trainyard.ts';
import { startTrainyard } from './trainyard-process.ts';

/** A whole platform, started as a user starts it, in a directory of its own. */
export interface TestPlatform {
  readonly url: string;
  /** Pipelines and their modules are here; paths of a pipeline are relative to it. */
  readonly dir: string;
  write(name: string, text: string): string;
  trainyard(...args: string[]): Promise<Finished>;
  submit(definition: unknown, params?: Record<string, unknown>): Promise<string>;
  /** Submits a definition and waits for the end of its run. */
  ended(definition: unknown, params?: Record<string, unknown>): Promise<RunTree>;
  log(run: RunTree, stage: string): Promise<string>;
  attempts(run: RunTree, stage: string): Promise<Attempt[]>;
  stop(): Promise<void>;
}

export async function startPlatform(slots = 4): Promise<TestPlatform> {
  const dir = mkdtempSync(join(tmpdir(), 'trainyard-platform-'));
  const process = startTrainyard([
    ...['up', '--port', '0', '--slots', String(slots), '--data-dir', join(dir, 'data')],
  ]);
  const url = (await process.line(/^ready (http:\S+)$/))[1]!;
  const submit = async (definition: unknown, params: Record<string, unknown> = {}) =>
    (await api(url).post<{ id: string }>('/api/v1/runs', { definition, params, baseDir: dir })).id;
  return {
    url,
    dir,
    write(name, text) {
      const path = join(dir, name);
      writeFileSync(path, text);
      return path;
    },
    trainyard: (...args) => runTrainyard(args, { env: { TRAINYARD_URL: url }, cwd: dir }),
    submit,
    ended: async (definition, params) => api(url).ended(await submit(definition, params)),
    log: (run, stage) => api(url).text(`/api/v1/runs/${stageOf(run, stage).id}/log`),
    attempts: async (run, stage) =>
      (await api(url).get<{ items: Attempt[] }>(`/api/v1/runs/${stageOf(run, stage).id}/attempts`)).items,
    async stop() {
      await process.kill('SIGTERM');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** The run of a stage by its path. */
export function stageOf(tree: RunTree, path: string): RunTree {
  const found = flatten(tree).find((run) => run.path === path);
  if (found === undefined) throw new Error(`there is no stage ${path}`);
  return found;
}
