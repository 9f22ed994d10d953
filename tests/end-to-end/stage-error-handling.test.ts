import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunTree } from '@trainyard/protocol';
import { startServer } from '@trainyard/server';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { api, flatten, until } from '../support/api.ts';
import { isAlive, payloadsOf } from '../support/processes.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const dir = mkdtempSync(join(tmpdir(), 'trainyard-stage-errors-'));
const dataDir = join(dir, 'data');
let platform: TrainyardProcess;
let url: string;

beforeAll(async () => {
  writeFileSync(join(dir, 'throws.mjs'), 'export default () => { throw new TypeError("no such column"); };');
  platform = startTrainyard(['up', '--port', '0', '--slots', '4', '--data-dir', dataDir]);
  url = (await platform.line(/^ready (http:\S+)$/))[1]!;
});
afterAll(async () => {
  await platform.kill('SIGTERM');
  rmSync(dir, { recursive: true, force: true });
});

async function submit(stages: readonly object[], more: object = {}): Promise<string> {
  const definition = { name: 'errors', stages, ...more };
  return (await api(url).post<{ id: string }>('/api/v1/runs', { definition, baseDir: dir })).id;
}
const endOf = (id: string) => api(url).ended(id);
const stageOf = (run: RunTree, path: string) => flatten(run).find((each) => each.path === path)!;

/** Ways for a stage to fail, with the code of the error and a part of its message. */
const FAILURES: readonly [what: string, stage: object, code: string, says: string][] = [
  ['a program that exits with 3', { job: { command: 'echo went wrong; exit 3' } }, 'exit_code', 'went wrong'],
  ['a program that is killed', { job: { command: 'kill -KILL $$' } }, 'signal', 'SIGKILL'],
  [
    'a program that is not there',
    { job: { command: ['no-such-program'] } },
    'command_not_found',
    'no-such-program',
  ],
  ['a function that throws', { function: { module: './throws.mjs' } }, 'function_failed', 'no such column'],
  ['training of a job that does not exist', { train_model: { job: 'nobody' } }, 'job_not_found', 'nobody'],
  [
    'evaluation of a job that does not exist',
    { run_evaluation: { job: 'nobody' } },
    'job_not_found',
    'nobody',
  ],
  [
    'cleaning up for a job that does not exist',
    { cleanup_checkpoints: { job: 'nobody' } },
    'job_not_found',
    'nobody',
  ],
  ['a server that is not there', { http: { url: 'http://127.0.0.1:2' } }, 'http_unreachable', '127.0.0.1:2'],
  ['outputs that are none', { job: { command: 'echo 1 2 > "$TRAINYARD_OUTPUTS"' } }, 'invalid_outputs', ''],
  [
    'an expression without a value',
    { job: { command: 'echo ${{ stages.first.outputs.missing }}' } },
    'expression',
    'missing',
  ],
];

describe('stage error handling', () => {
  it('leaves stage and pipeline failed with the error, all else skipped, and nothing else in the log', async () => {
    const runs = await Promise.all(
      FAILURES.map(async ([what, stage, code, says]) => {
        const id = await submit([
          { name: 'first', job: { command: 'true' } },
          { name: 'bad', dependsOn: ['first'], ...stage },
          { name: 'after', dependsOn: ['bad'], job: { command: 'touch never' } },
        ]);
        return { run: await endOf(id), what, code, says };
      }),
    );
    for (const { run, what, code, says } of runs) {
      expect(stageOf(run, 'bad').error, what).toMatchObject({ code });
      expect(stageOf(run, 'bad').error!.message, what).toContain(says);
    }
    expect(readdirSync(dir)).not.toContain('never');
    // Nothing that handles a failure has failed itself: the server had nothing to tell.
    expect(platform.stderr().replace(/^(Data in|No tokens) .*\n/gm, '')).toBe('');

    const rows = await inDatabase(runs.map(({ run }) => run.id));
    for (const [index, { run, what, code, says }] of runs.entries()) {
      const [root, first, bad, after] = rows[index]!;
      const { message } = bad!.error!;
      expect(message.length, what).toBeGreaterThan(0);
      expect(message).toContain(says);
      expect(first, what).toMatchObject({ path: 'first', status: 'completed', error: null });
      expect(bad, what).toMatchObject({ path: 'bad', status: 'failed', error: { code } });
      expect(after, what).toMatchObject({ path: 'after', status: 'skipped', reason: 'upstream_failed' });
      expect(root, what).toMatchObject({
        status: 'failed',
        error: { code, path: 'bad', message: `Stage "bad" failed: ${message}` },
      });
      expect(root!.counts, what).toEqual({ completed: 1, failed: 1, skipped: 1 });
      for (const row of [root, first, bad, after]) expect(row!.ended_at, run.id).toBeInstanceOf(Date);
    }
  });

  it('goes by the exit code, whatever words are in the log', async () => {
    const words = 'echo "Exception: Traceback (most recent call last)"; echo "Error: 0 Errors"';
    const id = await submit([
      { name: 'loud', job: { command: `${words}; exit 0` } },
      { name: 'silent', job: { command: 'exit 1' } },
    ]);
    const run = await endOf(id);
    expect(stageOf(run, 'loud')).toMatchObject({ status: 'completed', error: null });
    expect(stageOf(run, 'silent')).toMatchObject({
      status: 'failed',
      error: { code: 'exit_code', message: 'exit code 1' },
    });
  });

  it('lets the first of three failures at once be that of the pipeline, and each stage keep its own', async () => {
    // All three wait for one file, then fail as near to each other as processes can.
    const bad = (name: string, code: number) => ({
      name,
      job: { command: `touch ${name}.up; until test -e go; do sleep 0.01; done; exit ${code}` },
    });
    const id = await submit([bad('x', 11), bad('y', 12), bad('z', 13)]);
    await until('three processes', async () =>
      ['x.up', 'y.up', 'z.up'].every((it) => readdirSync(dir).includes(it)),
    );
    writeFileSync(join(dir, 'go'), '');
    const run = await endOf(id);
    const { items } = await api(url).get<{ items: { type: string; path: string }[] }>(
      `/api/v1/runs/${id}/events?limit=500`,
    );
    const finished = items.filter(({ type, path }) => type === 'run.finished' && path !== '');
    expect(finished.map(({ path }) => path).sort()).toEqual(['x', 'y', 'z']);
    for (const [name, code] of Object.entries({ x: 11, y: 12, z: 13 })) {
      expect(stageOf(run, name)).toMatchObject({ status: 'failed', error: { message: `exit code ${code}` } });
    }
    const first = finished[0]!.path;
    expect(run.error).toMatchObject({
      path: first,
      message: `Stage "${first}" failed: ${stageOf(run, first).error!.message}`,
    });
  });

  it('cancels one running stage with its process, while its sibling goes on to its end', async () => {
    const waits = (name: string) => ({
      name,
      job: { command: `echo $$ > ${name}.pid; until test -e ${name}.go; do sleep 0.02; done` },
    });
    const id = await submit([
      waits('one'),
      waits('two'),
      { name: 'join', dependsOn: ['one'], job: { command: 'true' } },
    ]);
    const running = await until('two processes', async () => {
      const tree = await api(url).tree(id);
      const ids = ['one', 'two'].map((path) => stageOf(tree, path).id);
      return ids.every((each) => payloadsOf([each]).length > 0) && ids;
    });
    const [ofOne, ofTwo] = running.map((each) => payloadsOf([each]));
    await api(url).post(`/api/v1/runs/${running[0]}/cancel`, { reason: 'not needed' });
    await until('the end of the stage', async () => stageOf(await api(url).tree(id), 'one').endedAt !== null);
    expect(ofOne!.filter(isAlive)).toEqual([]);
    expect(payloadsOf([running[0]!])).toEqual([]);
    expect(ofTwo!.some(isAlive)).toBe(true);
    expect(stageOf(await api(url).tree(id), 'two').status).toBe('running');
    writeFileSync(join(dir, 'two.go'), '');
    const run = await endOf(id);
    expect(flatten(run).map(({ path, status }) => [path, status])).toEqual([
      ['', 'failed'],
      ['one', 'cancelled'],
      ['two', 'completed'],
      ['join', 'skipped'],
    ]);
  });
});

interface StoredRun {
  readonly path: string;
  readonly status: string;
  readonly reason: string | null;
  readonly error: { code: string; message: string; path?: string } | null;
  readonly ended_at: Date | null;
  readonly counts: Record<string, number> | null;
}

/** The rows of each tree as they are in the database, read by another server after the first has stopped. */
async function inDatabase(rootIds: readonly string[]): Promise<StoredRun[][]> {
  await platform.kill('SIGTERM');
  const server = await startServer({ dataDir, logLevel: 'silent' });
  try {
    return await Promise.all(
      rootIds.map(async (id) => {
        const { rows } = await server.database.pool.query<StoredRun>(
          `select r.path, r.status, r.reason, r.error, r.ended_at, t.counts
           from runs r join trees t using (root_id) where root_id = $1 order by r.node_index`,
          [id],
        );
        return rows;
      }),
    );
  } finally {
    await server.stop();
    platform = startTrainyard(['up', '--port', '0', '--slots', '4', '--data-dir', dataDir]);
    url = (await platform.line(/^ready (http:\S+)$/))[1]!;
  }
}
