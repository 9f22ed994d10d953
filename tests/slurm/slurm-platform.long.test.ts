import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Attempt, RunTree } from '@trainyard/protocol';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SlurmTestCluster, whyNoSlurm } from '../../packages/agent/src/testing/slurm-cluster.ts';
import { api, until } from '../support/api.ts';
import { stageOf, startPlatform, type TestPlatform } from '../support/platform.ts';
import { startTrainyard, type TrainyardProcess } from '../support/trainyard-process.ts';

let cluster: SlurmTestCluster;
let platform: TestPlatform;
let agent: TrainyardProcess;

const shared = (path: string) => join(platform.dir, 'shared', path);

async function startAgent(): Promise<void> {
  agent = startTrainyard(
    [
      ...['slurm-agent', '--working-dir', shared('jobs'), '--warn', '55', '--log-level', 'error'],
      ...['--data-dir', join(platform.dir, 'slurm-data')],
    ],
    { TRAINYARD_URL: platform.url, SLURM_CONF: cluster.configFile },
  );
  await agent.line(/^ready /);
}

beforeAll(async () => {
  if (whyNoSlurm !== undefined) return;
  [cluster, platform] = await Promise.all([SlurmTestCluster.start(), startPlatform(1)]);
  mkdirSync(join(platform.dir, 'code'));
  mkdirSync(shared('steps'), { recursive: true });
  await startAgent();
});
afterAll(async () => {
  await agent?.kill('SIGTERM');
  await platform?.stop();
  await cluster?.remove();
});

/** Jobs that the node has room for at once, at least. */
const ROOM = 4;
const attemptsOf = async (run: RunTree) =>
  (await api(platform.url).get<{ items: Attempt[] }>(`/api/v1/runs/${run.id}/attempts`)).items.toSorted(
    (a, b) => a.number - b.number,
  );
const ended = (id: string) => api(platform.url).ended(id, 240_000);
const job = (command: string, executor: unknown = 'slurm') => ({ command, workingDir: 'code', executor });

describe.skipIf(whyNoSlurm !== undefined)(`a pipeline in a Slurm in trouble (${whyNoSlurm ?? 42})`, () => {
  it('runs a stage again whose node has failed', async () => {
    const command = `touch "${shared('begun')}"; [ "$TRAINYARD_ATTEMPT" = 2 ] || { trap "exit 0" TERM; while :; do sleep 0.1; done; }`;
    const id = await platform.submit({ name: 'node', stages: [{ name: 'train', job: job(command) }] });
    await until('it runs', async () => existsSync(shared('begun')), 30_000);
    const node = `nodename=${cluster.nodeName}`;
    await cluster.command('scontrol', 'update', node, 'state=down', 'reason=test');
    const stage = async () => stageOf(await api(platform.url).tree(id), 'train');
    await until('the loss', async () => (await attemptsOf(await stage()))[0]!.endedAt !== null, 60_000);
    // It may have come back by itself, since its daemon lives.
    await cluster.command('scontrol', 'update', node, 'state=resume').catch(() => undefined);
    const tree = await ended(id);
    expect(tree.status).toBe('completed');
    const tries = await attemptsOf(stageOf(tree, 'train'));
    expect(tries.map(({ error }) => error?.code)).toEqual(['node_failed', undefined]);
    expect(tries[0]).toMatchObject({ error: { class: 'lost' }, cleanupError: null });
  }, 300_000);

  it('goes on from its checkpoint in another job after its time in Slurm was up', async () => {
    const command = `
      if [ -n "$TRAINYARD_RESUME_FROM" ]; then echo "from $(cat "$TRAINYARD_RESUME_FROM")"; exit 0; fi
      save() {
        echo 7 > step-7
        echo '{"path":"step-7","step":7}' >> "$TRAINYARD_ATTEMPT_DIR/checkpoints.jsonl"
        exit 0
      }
      trap save TERM
      while :; do sleep 0.1; done`;
    const tree = await ended(
      await platform.submit({
        name: 'limit',
        stages: [{ name: 'train', job: job(command, { slurm: { time: '1m' } }) }],
      }),
    );
    expect(tree.status).toBe('completed');
    const train = stageOf(tree, 'train');
    const tries = await attemptsOf(train);
    expect(tries.map(({ error }) => error?.code)).toEqual(['time_limit', undefined]);
    expect(await api(platform.url).text(`/api/v1/runs/${train.id}/log`)).toMatch(/^from 7$/m);
  }, 300_000);

  it('loses nothing of an array when controller and agent are away, and the agent is killed', async () => {
    const count = 12;
    const command = `
      echo "$ITEM" >> "${shared('steps')}/$ITEM"
      while [ ! -e "${shared('go')}" ]; do sleep 0.1; done
      i=0; while [ $i -lt 200 ]; do i=$((i + 1)); echo "line $i"; done
      printf '{"item":%s}' "$ITEM" > "$TRAINYARD_OUTPUTS"`;
    const id = await platform.submit({
      name: 'array',
      stages: [
        {
          name: 'each',
          foreach: { item: 'n', in: Array.from({ length: count }, (_, at) => at) },
          job: { ...job(command), env: { ITEM: '${{ item.n }}' } },
        },
      ],
    });
    const begun = () =>
      Array.from({ length: count }, (_, at) => at).filter((at) => existsSync(shared(`steps/${at}`))).length;
    // The node has no room for all of them; the others wait.
    await until('some run', async () => begun() >= ROOM, 60_000);
    await agent.kill('SIGKILL');
    await cluster.stopController();
    await startAgent();
    writeFileSync(shared('go'), '');
    const tree = async () => api(platform.url).tree(id);
    const completed = async () =>
      (await tree()).children[0]!.children.filter(({ status }) => status === 'completed').length;
    // Their exit files tell that, though Slurm says nothing.
    await until('those that ran have ended', async () => (await completed()) >= ROOM, 120_000);
    await cluster.startController();
    const end = await ended(id);
    expect(end.status).toBe('completed');
    const log = `${Array.from({ length: 200 }, (_, at) => `line ${at + 1}`).join('\n')}\n`;
    for (const [at, item] of end.children[0]!.children.entries()) {
      expect(item.outputs).toEqual({ item: at });
      expect(await attemptsOf(item)).toMatchObject([{ number: 1, status: 'completed', cleanupError: null }]);
      expect(readFileSync(shared(`steps/${at}`), 'utf8')).toBe(`${at}\n`);
      expect(await api(platform.url).text(`/api/v1/runs/${item.id}/log`)).toBe(log);
    }
  }, 400_000);

  it('stands still while it is paused, and goes on elsewhere after it gave its slot back', async () => {
    const env = { GO: shared('go-on'), COUNT: shared('count') };
    const command = `
      say() { echo "$1" > "$TRAINYARD_ATTEMPT_DIR/ack" && mv "$TRAINYARD_ATTEMPT_DIR/ack" "$TRAINYARD_ATTEMPT_DIR/control.ack"; }
      i=0; [ -n "$TRAINYARD_RESUME_FROM" ] && i=$(cat "$TRAINYARD_RESUME_FROM") && echo "from $i"
      say '{"word":"run"}'
      while [ ! -e "$GO" ]; do
        i=$((i + 1)); echo "$i" > "$COUNT"; sleep 0.05
        [ "$(cat "$TRAINYARD_ATTEMPT_DIR/control" 2>/dev/null)" = release ] || continue
        echo "$i" > saved; say '{"word":"release","step":'"$i"',"checkpoint":"'"$PWD/saved"'"}'; exit 0
      done`;
    const count = () => (existsSync(env.COUNT) ? Number(readFileSync(env.COUNT, 'utf8')) : 0);
    const id = await platform.submit({
      name: 'paused',
      stages: [{ name: 'count', job: { command, workingDir: 'code', env, grace: '30s', executor: 'slurm' } }],
    });
    const stage = async () => stageOf(await api(platform.url).tree(id), 'count');
    const pause = async (mode: string) => {
      expect((await platform.trainyard('runs', 'pause', id, '--mode', mode)).code).toBe(0);
      await until('it is paused', async () => (await stage()).status === 'paused', 30_000);
    };
    const resume = async () => {
      expect((await platform.trainyard('runs', 'resume', id)).code).toBe(0);
      // The program may go on before that is reported; the next pause is not to find the one before.
      await until('that is told', async () => (await stage()).status !== 'paused', 30_000);
    };
    await until('it counts', async () => count() > 3);
    await pause('freeze');
    const stopped = count();
    // Once more through Slurm, which takes longer than it would take to count on.
    await cluster.command('srun', '--quiet', 'sleep', '0.2');
    expect(count()).toBe(stopped);
    await resume();
    await until('it goes on', async () => count() > stopped);
    await pause('release');
    expect((await attemptsOf(await stage())).map(({ status }) => status)).toEqual(['released']);
    const saved = count();
    await resume();
    await until('it goes on from there', async () => count() > saved, 30_000);
    writeFileSync(env.GO, '');
    const tree = await ended(id);
    expect(tree.status).toBe('completed');
    const end = stageOf(tree, 'count');
    expect(await attemptsOf(end)).toHaveLength(2);
    expect(await api(platform.url).text(`/api/v1/runs/${end.id}/log`)).toBe(`from ${saved}\n`);
  }, 120_000);
});
