import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ApprovalInfo, RunTree } from '@trainyard/protocol';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { api, flatten, until } from '../support/api.ts';
import { runTrainyard } from '../support/run-trainyard.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

const RELEASE = `
name: release
maxParallel: 1
stages:
  - name: tune
    job: { command: 'echo ''{"best": 0.93}'' > "$TRAINYARD_OUTPUTS"' }
  - name: review
    dependsOn: [tune]
    approval:
      message: 'Ship \${{ stages.tune.outputs.best }}?'
      form: { channel: { type: string, choices: [beta, stable] } }
  - name: ship
    dependsOn: [review]
    job: { command: 'echo ship to \${{ stages.review.outputs.channel }}' }
  - { name: other, dependsOn: [tune], job: { command: 'true' } }
`;

let dir: string;
let up: TrainyardProcess | undefined;
const trainyard = (...args: string[]) =>
  runTrainyard([...args, '--data-dir', join(dir, 'home')], { cwd: dir });
const startUp = async (): Promise<string> => {
  up = startTrainyard(['up', '--port', '0', '--slots', '1', '--data-dir', join(dir, 'home')]);
  return (await up.line(/^ready (http:\S+)$/))[1]!;
};
const write = async (text: string): Promise<string> => {
  await writeFile(join(dir, 'release.yaml'), text);
  return 'release.yaml';
};
const statusesOf = (tree: RunTree): string[] =>
  flatten(tree)
    .slice(1)
    .map((run) => `${run.path} ${run.status}`);

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'trainyard-approval-'));
});
afterEach(async () => {
  await up?.kill('SIGTERM');
  up = undefined;
  await rm(dir, { recursive: true, force: true });
});

describe('an approval on the command line', () => {
  it('ends a run that nobody watches with exit code 12, and keeps it', async () => {
    const first = await trainyard('run', await write(RELEASE));
    expect(first.code, first.stderr).toBe(12);
    expect(first.stdout).toMatch(/^run_\w+ running\n$/);
    expect(first.stderr).toContain('other: completed');
    expect(first.stderr).toContain('review waits for a person: Ship 0.93?');
    expect(first.stderr).toContain('The run is kept');
    expect(first.stderr).toMatch(/trainyard runs approve run_\w+ --input channel=STRING/);
  });

  it('ends commands that wait with exit code 12, and is decided once', async () => {
    const url = await startUp();
    const root = (await api(url).post<{ id: string }>('/api/v1/runs', { source: RELEASE, baseDir: dir })).id;
    const id = await until('the approval', async () => {
      const { items } = await api(url).get<{ items: ApprovalInfo[] }>(`/api/v1/approvals?root=${root}`);
      return items[0]?.runId;
    });
    const [listed, waited, watched, patient, refused] = await Promise.all([
      trainyard('approvals', 'list'),
      trainyard('runs', 'wait', root),
      trainyard('runs', 'watch', root),
      trainyard('runs', 'wait', root, '--wait-for-approval', '--timeout', '2'),
      trainyard('runs', 'approve', root, '--input', 'channel=gold'),
    ]);
    expect(listed.stdout).toMatch(new RegExp(`${id} +release +review +anybody .* Ship 0.93\\?\n$`));
    expect([waited.code, watched.code, patient.code]).toEqual([12, 12, 7]);
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('"beta", "stable"')]);
    const approved = await trainyard('runs', 'approve', root, '--input', 'channel=beta', '--comment', 'fine');
    expect([approved.code, approved.stdout]).toEqual([0, `${id} review approved\n`]);
    const again = await trainyard('runs', 'reject', id, '--reason', 'no');
    expect([again.code, again.stderr]).toEqual([
      1,
      expect.stringContaining('was approved by open server at'),
    ]);
    expect((await trainyard('runs', 'wait', root)).code).toBe(0);
    const shown = await trainyard('runs', 'show', root);
    expect(shown.stdout).toMatch(/review .*approved by open server at 20\S+Z: fine/);
    const document = JSON.parse((await trainyard('runs', 'show', root, '--json')).stdout) as RunTree;
    expect(document.children.find(({ name }) => name === 'review')!.decision).toMatchObject({
      decision: 'approved',
      by: 'open server',
      comment: 'fine',
    });
    expect((await trainyard('runs', 'logs', root, '--stage', 'ship')).stdout).toBe('ship to beta\n');
    // Also by the id of the root: who comes second is told, and who asks for the same again is answered.
    const [other, same, none] = await Promise.all([
      trainyard('runs', 'reject', root),
      trainyard('runs', 'approve', root, '--input', 'channel=beta', '--comment', 'fine'),
      trainyard('approvals', 'list', '--json'),
    ]);
    expect([other.code, same.code, none.stdout]).toEqual([1, 0, '[]\n']);
    expect(other.stderr).toContain('was approved by open server at');
  });

  it('asks which stage is meant when several wait, and fails the one that is rejected', async () => {
    await startUp();
    const file = await write(`
name: two
stages:
  - { name: one, approval: { message: One? } }
  - { name: inner, pipeline: { stages: [{ name: two, approval: { message: Two? } }] } }
`);
    const { code, stdout } = await trainyard('run', file, '--json');
    expect(code).toBe(12);
    const { id, status } = JSON.parse(stdout) as RunTree;
    expect(status).toBe('running');
    const unclear = await trainyard('runs', 'approve', id);
    expect([unclear.code, unclear.stderr]).toEqual([2, expect.stringContaining('--stage: one, inner/two')]);
    expect((await trainyard('runs', 'approve', id, '--stage', 'one')).code).toBe(0);
    expect((await trainyard('runs', 'reject', id, '--reason', 'not good')).stdout).toContain(
      'inner/two rejected',
    );
    const ended = await trainyard('runs', 'watch', id);
    expect(ended.code).toBe(10);
    expect(ended.stderr).toContain('rejected by open server: not good');
    const shown = await trainyard('runs', 'show', id);
    expect(shown.stdout).toMatch(/two +failed .*rejected by open server at 20\S+Z: not good\n/);
  });
});

describe('an approval and a server that is killed', () => {
  it('waits through it, and a decision that was answered just before takes effect after it', async () => {
    let url = await startUp();
    const { id } = await api(url).post<{ id: string }>('/api/v1/runs', { source: RELEASE, baseDir: dir });
    const waiting = (tree: RunTree) => statusesOf(tree).includes('review waiting');
    await until('the approval', async () => waiting(await api(url).tree(id)));
    await up!.kill('SIGKILL');

    url = await startUp();
    expect(waiting(await api(url).tree(id))).toBe(true);
    const { items } = await api(url).get<{ items: ApprovalInfo[] }>(`/api/v1/approvals?root=${id}`);
    const body = { inputs: { channel: 'stable' }, comment: 'before the crash' };
    await api(url).post(`/api/v1/runs/${items[0]!.runId}/approve`, body);
    await up!.kill('SIGKILL');

    url = await startUp();
    const tree = await until('the end', async () => {
      const now = await api(url).tree(id);
      return now.endedAt === null ? undefined : now;
    });
    expect(tree.status).toBe('completed');
    const review = flatten(tree).find((run) => run.path === 'review')!;
    expect(review.outputs).toMatchObject({ channel: 'stable', comment: 'before the crash' });
    const { items: events } = await api(url).get<{ items: { type: string }[] }>(`/api/v1/runs/${id}/events`);
    expect(events.filter(({ type }) => type === 'approval.decided')).toHaveLength(1);
  });
});
