import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive, openDescriptors } from '../../support/processes.ts';
import { startTrainyard, type TrainyardProcess } from '../../support/trainyard-process.ts';

const READY_LIMIT_MS = 60_000;
const QUIET_LIMIT_MS = 60_000;
export const SLOTS_PER_AGENT = 2;

/** A server with its embedded database, and agents: processes of their own, each with a data directory of its own. */
export class SoakCluster {
  readonly dir = mkdtempSync(join(tmpdir(), 'trainyard-soak-'));
  readonly ledgerDir = join(this.dir, 'ledger');
  readonly #serverDir = join(this.dir, 'server');
  readonly #agents: (TrainyardProcess | undefined)[] = [];
  readonly #all: TrainyardProcess[] = [];
  #server: TrainyardProcess | undefined;
  #port = '0';

  async start(agents: number): Promise<string> {
    mkdirSync(this.ledgerDir);
    await this.startServer();
    for (let agent = 0; agent < agents; agent += 1) this.startAgent(agent);
    return this.url;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  get agentCount(): number {
    return this.#agents.length;
  }

  async startServer(): Promise<void> {
    const server = this.#spawn(['up', '--no-agent', '--port', this.#port, '--data-dir', this.#serverDir]);
    this.#server = server;
    const late = setTimeout(() => void server.kill('SIGKILL'), READY_LIMIT_MS);
    const [, url] = await server.line(/^ready (http:\S+)$/);
    clearTimeout(late);
    this.#port = new URL(url!).port;
  }

  startAgent(agent: number): void {
    const slots = String(SLOTS_PER_AGENT);
    this.#agents[agent] = this.#spawn([
      ...['agent', '--url', this.url, '--name', `soak-${agent}`, '--slots', slots],
      ...['--data-dir', join(this.dir, `agent-${agent}`)],
    ]);
  }

  async killServer(): Promise<void> {
    await this.#server?.kill('SIGKILL');
    this.#server = undefined;
  }

  async killAgent(agent: number): Promise<void> {
    await this.#agents[agent]?.kill('SIGKILL');
    this.#agents[agent] = undefined;
  }

  /** Stops a process, and lets it go on after a while. False when it is not there. */
  async haltAgent(agent: number, forMs: number): Promise<boolean> {
    return halt(this.#agents[agent], forMs);
  }

  async haltServer(forMs: number): Promise<boolean> {
    return halt(this.#server, forMs);
  }

  /** The postmaster of the embedded database; `undefined` while there is none. */
  killDatabase(): boolean {
    const pid = readPid(join(this.#serverDir, 'postgres', 'cluster', 'postmaster.pid'));
    return pid !== undefined && isAlive(pid) && killed(pid);
  }

  /**
   * Kills processes of an attempt by the ids that the supervisor wrote, if they are still its processes.
   * @returns whether one was killed
   */
  killAttempt(attemptId: string, which: readonly ('supervisor' | 'program')[]): boolean {
    const agent = this.agentOf(attemptId);
    if (agent === undefined) return false;
    const dir = join(this.agentDir(agent), 'attempts', attemptId);
    const files = { supervisor: join(dir, 'pid.lock', 'supervisor'), program: join(dir, 'pid') };
    const hits = which.map((one) => {
      const [, pid, startTime] = readText(files[one]).trim().split(' ');
      return pid !== undefined && startTimeOf(Number(pid)) === startTime && killed(Number(pid));
    });
    return hits.includes(true);
  }

  /** The agent in whose directory an attempt is. */
  agentOf(attemptId: string): number | undefined {
    return [...this.#agents.keys()].find((agent) =>
      existsSync(join(this.agentDir(agent), 'attempts', attemptId)),
    );
  }

  /** What an agent keeps, in a directory of its name. */
  agentDir(agent: number): string {
    return join(this.dir, `agent-${agent}`, `agent-soak-${agent}`);
  }

  /** Open descriptors of the agents and the server, by name; of those that are alive. */
  descriptors(): Map<string, number> {
    const counts = new Map<string, number>();
    for (const [agent, process] of this.#agents.entries()) {
      if (process !== undefined) counts.set(`agent ${agent}`, openDescriptors(process.pid));
    }
    if (this.#server !== undefined) counts.set('server', openDescriptors(this.#server.pid));
    return counts;
  }

  /** Waits until no agent holds an attempt that it has not reported. */
  async quiet(): Promise<string[]> {
    const deadline = Date.now() + QUIET_LIMIT_MS;
    for (;;) {
      const held = [...this.#agents.keys()].flatMap((agent) =>
        readdirSync(join(this.agentDir(agent), 'held')).map((id) => `agent ${agent} holds ${id}`),
      );
      if (held.length === 0 || Date.now() > deadline) return held;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }

  /** Ends everything that it started, agents first. */
  async stop(): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent?.kill('SIGTERM')));
    await this.#server?.kill('SIGTERM');
    await Promise.all(this.#all.map((process) => process.kill('SIGKILL')));
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }

  /** What the processes wrote to stderr, the last of each. */
  stderr(): string {
    return this.#all
      .map((process, index) => `--- process ${index}\n${process.stderr().slice(-4000)}`)
      .join('\n');
  }

  #spawn(args: readonly string[]): TrainyardProcess {
    // The marker is handed on to whatever they start, so that nothing can hide at the end.
    const process = startTrainyard(args, { SOAK_DIR: this.dir });
    this.#all.push(process);
    return process;
  }
}

async function halt(stopped: TrainyardProcess | undefined, forMs: number): Promise<boolean> {
  if (stopped === undefined || !isAlive(stopped.pid)) return false;
  process.kill(stopped.pid, 'SIGSTOP');
  await new Promise((resolve) => setTimeout(resolve, forMs));
  process.kill(stopped.pid, 'SIGCONT');
  return true;
}

function killed(pid: number): boolean {
  try {
    return process.kill(pid, 'SIGKILL');
  } catch {
    return false;
  }
}

function readPid(path: string): number | undefined {
  const pid = Number(readText(path).split('\n')[0]);
  return pid > 0 ? pid : undefined;
}

function startTimeOf(pid: number): string | undefined {
  return readText(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ')[19];
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
