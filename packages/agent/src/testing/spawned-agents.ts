import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { AgentTiming } from '../agent-options.ts';
import { listProcesses, signalProcess } from '../local/process-table.ts';
import type { JournalLimits } from '../stream/journal-limits.ts';
import type { AgentPeer } from './agent-peer.ts';
import type { TestHost } from './agent-process.ts';
import { eventually } from './eventually.ts';

const PROGRAM = fileURLToPath(new URL('./agent-process.ts', import.meta.url));

export interface SpawnedAgentOptions {
  readonly url: string;
  readonly dataDir: string;
  readonly limits?: Partial<JournalLimits>;
  readonly timing?: Partial<AgentTiming>;
  readonly host?: TestHost;
}

/** Agents in processes of their own, which can be killed, stopped and measured. */
export class SpawnedAgents {
  readonly #children = new Set<ChildProcess>();

  /** Resolves once it has registered. */
  async start({ url, dataDir, limits = {}, timing = {}, host }: SpawnedAgentOptions): Promise<ChildProcess> {
    const texts = [limits, timing, ...(host === undefined ? [] : [host])].map((part) => JSON.stringify(part));
    const args = [PROGRAM, url, dataDir, ...texts];
    const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'ignore'] });
    this.#children.add(child);
    let output = '';
    child.stdout.on('data', (chunk) => {
      output += String(chunk);
    });
    await eventually('agent is ready', () => output.includes('ready'));
    return child;
  }

  /** By SIGKILL; resolves when it is gone. Its programs go on. */
  async kill(child: ChildProcess): Promise<void> {
    this.#children.delete(child);
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await gone;
  }

  async killAll(): Promise<void> {
    await Promise.all([...this.#children].map((child) => this.kill(child)));
  }
}

/** Kills what is left of programs whose agents are gone. */
export async function killProgramsOf(...peers: readonly AgentPeer[]): Promise<void> {
  for (const row of await listProcesses()) {
    const { attemptId } = row;
    if (attemptId !== undefined && peers.some(({ attempts }) => attempts.has(attemptId)))
      signalProcess(row, 'SIGKILL');
  }
}
