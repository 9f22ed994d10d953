import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { eventually } from './eventually.ts';

const run = promisify(execFile);

/** Why suites with a real Slurm are skipped here; `undefined` when they run. Its daemons need root. */
export const whyNoSlurm: string | undefined =
  process.getuid?.() !== 0
    ? 'Slurm suites need root'
    : ['/usr/sbin/slurmctld', '/usr/sbin/slurmd', '/usr/sbin/munged'].some((path) => !existsSync(path))
      ? 'Slurm or MUNGE is not installed'
      : undefined;

/**
 * A real Slurm on ports of its own. Each node has room for several jobs and two GPUs that are none; several nodes are
 * as many daemons on this machine.
 */
export class SlurmTestCluster {
  readonly dir: string;
  readonly #host = hostname().split('.')[0]!;
  readonly #nodes: readonly string[];
  readonly #options: Readonly<Record<string, string>>;

  private constructor(options: Readonly<Record<string, string>>, nodeCount: number) {
    this.#options = options;
    this.#nodes =
      nodeCount === 1 ? [this.#host] : Array.from({ length: nodeCount }, (_, at) => `node${at + 1}`);
    this.dir = mkdtempSync(join(tmpdir(), 'trainyard-slurm-'));
    chmodSync(this.dir, 0o755);
  }

  /** @param options lines of slurm.conf, such as `{ MinJobAge: '2' }` */
  static async start(
    options: Readonly<Record<string, string>> = {},
    { nodeCount = 1 } = {},
  ): Promise<SlurmTestCluster> {
    const cluster = new SlurmTestCluster(options, nodeCount);
    try {
      await cluster.#start();
    } catch (error) {
      await cluster.remove();
      throw error;
    }
    return cluster;
  }

  get configFile(): string {
    return this.#path('slurm.conf');
  }

  /** Of its first node. */
  get nodeName(): string {
    return this.#nodes[0]!;
  }

  /** For commands of Slurm. */
  get env(): Record<string, string | undefined> {
    return { ...process.env, SLURM_CONF: this.configFile };
  }

  /** Runs a command of Slurm and gives its output. */
  async command(program: string, ...args: string[]): Promise<string> {
    return (await run(program, args, { env: this.env, timeout: 60_000 })).stdout.trim();
  }

  /** Jobs as squeue shows them, each task of an array for itself, with the columns asked for. */
  async rows(columns: readonly string[], ...more: string[]): Promise<string[]> {
    const text = await this.command('squeue', '-h', '-r', '-t', 'all', ...more, '-o', columns.join(' '));
    return text.split('\n').filter((line) => line !== '');
  }

  async startController(): Promise<void> {
    await this.command('/usr/sbin/slurmctld');
  }

  stopController(): Promise<void> {
    return this.#stop('slurmctld.pid');
  }

  async startNode(): Promise<void> {
    for (const node of this.#nodes) await this.command('/usr/sbin/slurmd', '-N', node);
  }

  async stopNode(): Promise<void> {
    for (const node of this.#nodes) await this.#stop(`slurmd-${node}.pid`);
  }

  async remove(): Promise<void> {
    if (existsSync(this.#path('slurmctld.pid'))) {
      await this.command('scancel', '--quiet', '--user=root').catch(() => undefined);
    }
    await this.stopNode();
    for (const file of ['slurmctld.pid', 'munge/pid']) await this.#stop(file);
    rmSync(this.dir, { recursive: true, force: true });
  }

  async #start(): Promise<void> {
    for (const dir of ['state', 'spool', 'log', 'munge', 'dev']) mkdirSync(this.#path(dir));
    chmodSync(this.#path('munge'), 0o700);
    for (const gpu of ['gpu0', 'gpu1']) execFileSync('mknod', [this.#path(`dev/${gpu}`), 'c', '1', '3']);
    const config = { ...this.#config(await freePort()), ...this.#options };
    const lines = Object.entries(config).map(([name, value]) => `${name}=${value}\n`);
    for (const node of this.#nodes) {
      const place = `NodeHostname=${this.#host} NodeAddr=127.0.0.1 Port=${await freePort()}`;
      lines.push(`NodeName=${node} ${place} CPUs=8 RealMemory=8000 Gres=gpu:fake:2 State=UNKNOWN\n`);
    }
    const names = this.#nodes.join(',');
    const partitions = ['debug Default=YES', 'other Default=NO'].map(
      (partition) => `PartitionName=${partition} Nodes=${names} MaxTime=INFINITE State=UP\n`,
    );
    writeFileSync(this.configFile, [...lines, ...partitions].join(''));
    writeFileSync(
      this.#path('gres.conf'),
      `AutoDetect=off\nNodeName=${names} Name=gpu Type=fake File=${this.#path('dev/gpu[0-1]')}\n`,
    );
    await run('mungekey', ['-c', '-k', this.#path('munge/key')]);
    await run('/usr/sbin/munged', [
      `--key-file=${this.#path('munge/key')}`,
      `--socket=${this.#path('munge.sock')}`,
      `--pid-file=${this.#path('munge/pid')}`,
      `--log-file=${this.#path('munge/log')}`,
      `--seed-file=${this.#path('munge/seed')}`,
    ]);
    await this.startController();
    await this.startNode();
    await this.untilIdle();
  }

  async untilIdle(): Promise<void> {
    await eventually(
      'the nodes are idle',
      async () => {
        const states = await this.command('sinfo', '-h', '-N', '-p', 'debug', '-o', '%T').catch(() => '');
        return states.split('\n').filter((state) => state === 'idle').length === this.#nodes.length;
      },
      40_000,
    );
  }

  #config(controllerPort: number): Record<string, string> {
    return {
      ClusterName: 'test',
      SlurmctldHost: `${this.#host}(127.0.0.1)`,
      SlurmUser: 'root',
      SlurmdUser: 'root',
      AuthType: 'auth/munge',
      AuthInfo: `socket=${this.#path('munge.sock')}`,
      CredType: 'cred/munge',
      SlurmctldPort: String(controllerPort),
      StateSaveLocation: this.#path('state'),
      SlurmdSpoolDir: this.#path('spool/%n'),
      SlurmctldPidFile: this.#path('slurmctld.pid'),
      SlurmdPidFile: this.#path('slurmd-%n.pid'),
      SlurmctldLogFile: this.#path('log/slurmctld.log'),
      SlurmdLogFile: this.#path('log/slurmd-%n.log'),
      // The node says that it has more than this machine.
      SlurmdParameters: 'config_overrides',
      ProctrackType: 'proctrack/linuxproc',
      TaskPlugin: 'task/none',
      JobAcctGatherType: 'jobacct_gather/none',
      AccountingStorageType: 'accounting_storage/none',
      SwitchType: 'switch/none',
      MpiDefault: 'none',
      SelectType: 'select/cons_tres',
      SelectTypeParameters: 'CR_Core_Memory',
      SchedulerParameters: 'sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0',
      DefMemPerCPU: '100',
      ReturnToService: '2',
      KillWait: '3',
      MinJobAge: '300',
      GresTypes: 'gpu',
    };
  }

  async #stop(pidFile: string): Promise<void> {
    const path = this.#path(pidFile);
    if (!existsSync(path)) return;
    const pid = Number(readFileSync(path, 'utf8'));
    if (!Number.isInteger(pid) || pid <= 1) return;
    for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
      if (!isAlive(pid)) break;
      process.kill(pid, signal);
      await eventually('a daemon ends', () => !isAlive(pid), 10_000).catch(() => undefined);
    }
    rmSync(path, { force: true });
  }

  #path(name: string): string {
    return join(this.dir, name);
  }
}

/** A zombie is dead: where nobody reaps, a daemon that has ended stays one. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s*[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}
