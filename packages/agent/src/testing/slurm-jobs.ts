import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AttemptSpec } from '@trainyard/protocol';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import type { Executor, RunningAttempt, StartContext } from '../executor.ts';
import { listProcesses } from '../local/process-table.ts';
import { slurmExecutor } from '../slurm/slurm-executor.ts';
import { type SlurmSettings, slurmSettings } from '../slurm/slurm-settings.ts';
import { LocalTransport } from '../transport/local-transport.ts';
import type { Transport } from '../transport/transport.ts';
import { eventually } from './eventually.ts';
import { silentLog } from './silent-log.ts';
import { SlurmTestCluster } from './slurm-cluster.ts';
import { startContext } from './start-job.ts';

/** One Slurm for the tests of a suite, and for each test a directory of its own; ends what a test has started. */
export class SlurmJobs {
  readonly #opened: Executor[] = [];
  readonly #started: RunningAttempt[] = [];
  #cluster: SlurmTestCluster | undefined;
  #root = '';

  /** To be made in a `describe`. @param options lines of slurm.conf */
  constructor(options: Readonly<Record<string, string>> = {}, size: { readonly nodeCount?: number } = {}) {
    beforeAll(async () => {
      this.#cluster = await SlurmTestCluster.start(options, size);
    });
    afterAll(() => this.#cluster?.remove());
    beforeEach(() => {
      this.#root = mkdtempSync(join(tmpdir(), 'trainyard-slurm-jobs-'));
      mkdirSync(join(this.#root, 'code'));
    });
    afterEach(async () => {
      const clean = async (attempt: RunningAttempt) => {
        await attempt.cancel({ graceMs: 0 });
        await attempt.cleanUp();
      };
      await Promise.all(this.#started.splice(0).map(clean));
      for (const executor of this.#opened.splice(0)) await executor.close?.();
      rmSync(this.#root, { recursive: true, force: true });
    });
  }

  get cluster(): SlurmTestCluster {
    return this.#cluster!;
  }

  get root(): string {
    return this.#root;
  }

  open(change: { settings?: Partial<SlurmSettings>; transport?: Transport } = {}): Executor {
    const executor = slurmExecutor({
      name: 'slurm',
      transport: change.transport ?? new LocalTransport({ env: this.cluster.env }),
      settings: slurmSettings.parse({ workingDir: join(this.#root, 'shared'), ...change.settings }),
      log: silentLog,
      pollMs: 200,
      askEveryMs: 500,
      settleMs: 1500,
      gatherMs: 500,
    });
    this.#opened.push(executor);
    return executor;
  }

  context(command: string, change: Partial<AttemptSpec> = {}): StartContext {
    const given = startContext(this.#root, command, {
      env: change.env ?? {},
      workingDir: join(this.#root, 'code'),
    });
    return { ...given, spec: { ...given.spec, ...change } };
  }

  async start(given: StartContext, executor = this.open()): Promise<RunningAttempt> {
    const attempt = await executor.start(given);
    this.#started.push(attempt);
    return attempt;
  }

  /** What an earlier agent started. */
  async adopt({ files, spec }: StartContext, executor: Executor): Promise<RunningAttempt> {
    const attempt = (await executor.adopt(files, spec))!;
    this.#started.push(attempt);
    return attempt;
  }

  /** Jobs of an attempt, or all, as Slurm has them. */
  async rows({ spec }: Pick<StartContext, 'spec'>): Promise<string[]> {
    return this.cluster.rows(['%A', '%T'], `--name=${spec.attemptId}`);
  }

  async jobId(given: StartContext): Promise<string> {
    return (await this.rows(given))[0]!.split(' ')[0]!;
  }

  inHost({ spec }: StartContext, name: string): string {
    return join(this.#root, 'shared/attempts', spec.attemptId, name);
  }

  isRunning(given: StartContext) {
    return eventually('the program runs', () => existsSync(this.inHost(given, 'pid')), 30_000);
  }

  async processesOf({ spec }: StartContext) {
    return (await listProcesses()).filter(({ attemptId }) => attemptId === spec.attemptId);
  }

  outputOf({ files }: StartContext): string {
    return existsSync(files.output) ? readFileSync(files.output, 'utf8') : '';
  }
}
