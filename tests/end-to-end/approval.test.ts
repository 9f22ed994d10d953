import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
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

// `script` gives a program a terminal of its own.
describe.skipIf(!existsSync('/usr/bin/script'))('an approval at a terminal', () => {
  const open = new Set<ChildProcess>();
  // Its terminal goes with it, and so does what runs in there.
  afterEach(() => {
    for (const child of open) child.kill('SIGKILL');
    open.clear();
  });

  /** Types the keys when the text is on the screen; gives the exit code and all that was shown. */
  async function atTerminal(
    args: readonly string[],
    steps: readonly (readonly [shown: string, keys: string])[],
  ) {
    const main = join(import.meta.dirname, '../../packages/cli/src/main.ts');
    const words = [process.execPath, main, ...args, '--data-dir', join(dir, 'home'), '--no-color'];
    const { CI: _, ...env } = process.env;
    const child = spawn(
      '/usr/bin/script',
      ['-qfec', `stty rows 40 cols 150; ${words.join(' ')}`, '/dev/null'],
      {
        cwd: dir,
        env: { ...env, TERM: 'xterm', SHELL: '/bin/sh' },
      },
    );
    open.add(child);
    let [screen, unseen] = ['', ''];
    const rest = [...steps];
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      screen += text;
      unseen += text;
      if (rest[0] === undefined || !unseen.includes(rest[0][0])) return;
      unseen = '';
      child.stdin.write(rest.shift()![1]);
    });
    const [code] = (await once(child, 'close')) as [number];
    open.delete(child);
    return { code, screen };
  }

  it('is asked for by a run, with its form, when nothing else goes on', async () => {
    const { code, screen } = await atTerminal(
      ['run', await write(RELEASE)],
      [
        ['review waits for a person: Ship 0.93?', '\r'],
        ['channel', '\u001b[B\r'],
        ['Comment', 'looks good\r'],
      ],
    );
    expect(screen).toMatch(/approved by open server at \S+: looks good/);
    expect([code, screen]).toEqual([0, expect.stringMatching(/run_\w+ completed/)]);
    const log = await trainyard('runs', 'logs', 'latest', '--stage', 'ship');
    expect(log.stdout).toBe('ship to stable\n');
  });

  it('is asked for by `approvals decide`, which needs a terminal, and may be put off', async () => {
    const { stdout } = await trainyard('run', await write(RELEASE), '--json');
    const { id } = JSON.parse(stdout) as RunTree;
    const [later, without] = [
      await atTerminal(['approvals', 'decide'], [['Ship 0.93?', '\u001b[B\u001b[B\r']]),
      await trainyard('approvals', 'decide'),
    ];
    expect(later.code).toBe(0);
    expect([without.code, without.stderr]).toEqual([2, expect.stringContaining('trainyard runs approve ID')]);
    const rejected = await atTerminal(
      ['approvals', 'decide', id],
      [
        ['Ship 0.93?', '\u001b[B\r'],
        ['Reason', 'not now\r'],
      ],
    );
    expect([rejected.code, rejected.screen]).toEqual([0, expect.stringMatching(/run_\w+ review rejected/)]);
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
    const tree = await api(url).ended(id);
    expect(tree.status).toBe('completed');
    const review = flatten(tree).find((run) => run.path === 'review')!;
    expect(review.outputs).toMatchObject({ channel: 'stable', comment: 'before the crash' });
    const { items: events } = await api(url).get<{ items: { type: string }[] }>(`/api/v1/runs/${id}/events`);
    expect(events.filter(({ type }) => type === 'approval.decided')).toHaveLength(1);
  });
});
