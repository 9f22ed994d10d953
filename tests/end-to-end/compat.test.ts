import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunTree } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, flatten } from '../support/api.ts';
import { runTrainyard } from '../support/run-trainyard.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const REPORT = {
  config: { name: 'report', fail_policy: 'SkipDownstream', max_parallel: 4 },
  tasks: [
    { id: 'fetch', exec_type: 'Shell', exec_command: 'echo fetched', timeout_ms: 30_000 },
    {
      id: 'clean',
      exec_type: 'Dag',
      deps: ['fetch'],
      exec_params: {
        depth: 9,
        dag_json: JSON.stringify({
          config: { fail_policy: 'FailFast', max_parallel: 2 },
          tasks: [
            // The same id as outside.
            {
              id: 'fetch',
              exec_type: 'Script',
              exec_command: 'echo',
              exec_params: { args: ['inner', '$HOME'] },
            },
            { id: 'dedupe', exec_type: 'Shell', exec_command: 'cat "$TRAINYARD_PARAMS"', deps: ['fetch'] },
          ],
        }),
      },
    },
    { id: 'publish', exec_type: 'Shell', exec_command: `echo '\${{ as it is }}'`, deps: ['clean'] },
  ],
};

const FAILING = {
  tasks: [
    { id: 'bad', exec_type: 'Shell', exec_command: 'exit 3', retry_count: 1, retry_delay_ms: 10 },
    { id: 'after', exec_type: 'Shell', exec_command: 'true', deps: ['bad'] },
    { id: 'later', exec_type: 'Shell', exec_command: 'true', deps: ['after'] },
    { id: 'beside', exec_type: 'Shell', exec_command: 'true' },
  ],
};

describe('definitions of the older systems', () => {
  const dir = mkdtempSync(join(tmpdir(), 'trainyard-compat-'));
  let server: TrainyardProcess;
  let url: string;

  beforeAll(async () => {
    const args = ['up', '--port', '0', '--slots', '2', '--data-dir', join(dir, 'data')];
    server = startTrainyard(args);
    url = (await server.line(/^ready (http:\S+)$/))[1]!;
  });
  afterAll(async () => {
    await server.kill('SIGTERM');
    rmSync(dir, { recursive: true, force: true });
  });

  /** Submits a definition as JSON and waits for the end of its run. */
  async function ended(definition: unknown): Promise<RunTree> {
    const { id } = await api(url).post<{ id: string }>('/api/v1/runs', { definition, baseDir: dir });
    return api(url).ended(id);
  }

  it('as a task graph with an inner DAG run from a file to their end', async () => {
    const file = join(dir, 'report.json');
    writeFileSync(file, JSON.stringify(REPORT, null, 2));
    const env = { TRAINYARD_URL: url };
    const validated = await runTrainyard(['validate', file], { env });
    expect(validated.stdout).toMatch(/^report: 5 stages, 2 levels/);
    const run = await runTrainyard(['run', file], { env });
    expect(run.code).toBe(0);
    const [id] = run.stdout.trim().split(' ');
    const runs = flatten(await api(url).tree(id!));
    expect(runs.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'report completed',
      'fetch completed',
      'clean completed',
      'fetch completed',
      'dedupe completed',
      'publish completed',
    ]);
    const logOf = async (index: number) =>
      (await runTrainyard(['runs', 'logs', runs[index]!.id], { env })).stdout;
    expect(await logOf(3)).toBe('inner $HOME\n');
    expect(await logOf(5)).toBe(`\${{ as it is }}\n`);
  });

  it('skip what depends on a failed task, and go on beside it', async () => {
    const tree = await ended(FAILING);
    expect(tree.status).toBe('failed');
    expect(tree.children.map(({ name, status }) => `${name} ${status}`)).toEqual([
      'bad failed',
      'after skipped',
      'later skipped',
      'beside completed',
    ]);
    expect(tree.children[0]).toMatchObject({ attempt: 2 });
  });

  it('as a bare stage list run too', async () => {
    const tree = await ended([
      { name: 'prepare', task: 'job', params: { command: 'true' } },
      { name: 'train', task: 'job', params: { command: ['test', '-d', '.'] }, depends_on: ['prepare'] },
    ]);
    expect(tree).toMatchObject({ name: 'pipeline', status: 'completed' });
  });

  it('as a stage list train, evaluate and clean up', async () => {
    const program = join(import.meta.dirname, '../support');
    await api(url).post('/api/v1/jobs', {
      definition: {
        name: 'older',
        command: ['node', join(program, 'training-program.mjs')],
        evaluate: { command: ['node', join(program, 'evaluation-program.mjs')] },
        numGpus: 0,
      },
    });
    const job = { job_uuid: 'older' };
    const tree = await ended({
      stages: [
        { name: 'train', task: 'train_model', params: { ...job, config: { seed: 1, losses: [3, 1, 2] } } },
        {
          ...{ name: 'judge', task: 'run_evaluation', depends_on: ['train'] },
          params: { ...job, checkpoint_path: 'best' },
        },
        {
          ...{ name: 'clean', task: 'cleanup_checkpoints', depends_on: ['judge'] },
          params: { ...job, keep_best_n: 1 },
        },
      ],
    });
    expect(tree.error).toBeNull();
    const { items } = await api(url).get<{ items: { step: number; metrics: object }[] }>(
      '/api/v1/jobs/older/checkpoints',
    );
    expect(items).toMatchObject([{ step: 1, metrics: { eval_loss: 1, accuracy: 0.5 } }]);
  });

  it('have their faults at the line and column of what was written', async () => {
    const file = join(dir, 'bad.json');
    const tasks = [
      '{ "id": "a", "exec_type": "Remote" }',
      '{ "id": "b", "exec_type": "Shell", "exec_command": "true", "deps": ["aa"] }',
    ];
    writeFileSync(file, `{ "tasks": [\n${tasks.join(',\n')} ] }\n`);
    for (const command of ['validate', 'run']) {
      const refused = await runTrainyard([command, file], { env: { TRAINYARD_URL: url } });
      expect(refused.code).toBe(2);
      expect(refused.stderr).toMatch(/bad\.json:2:27: task "a": exec_type Remote cannot be run here yet/);
      expect(refused.stderr).toMatch(/bad\.json:3:69: "b" depends on .*"aa".*did you mean "a"/);
    }
  });

  it('that cannot run are refused with what to use instead, and nothing is stored', async () => {
    const before = await api(url).get<{ items: unknown[] }>('/api/v1/runs');
    const definition = { stages: [{ name: 'train', task: 'merge_models', params: { job_uuid: 'j' } }] };
    for (const path of ['/api/v1/runs', '/api/v1/pipelines/validate']) {
      const response = await fetch(url + path, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ definition }),
      });
      expect(response.status).toBe(400);
      expect(await response.text()).toMatch(
        /stage \\"train\\": the task \\"merge_models\\" is not known here/,
      );
    }
    const after = await api(url).get<{ items: unknown[] }>('/api/v1/runs');
    expect(after.items).toHaveLength(before.items.length);
  });
});
