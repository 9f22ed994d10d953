import type { AttemptSpec } from '@trainyard/protocol';
import type { AttemptControl, BatchLaunch, BatchSystem } from '../remote/attempt-control.ts';
import { HostLink } from '../remote/host-link.ts';
import { COMPLETE_LINE, fileLines } from '../remote/start-payload.ts';
import { shellQuote } from '../transport/shell-quote.ts';
import { type CallResult, type Transport, TransportError } from '../transport/transport.ts';
import { sbatchArguments } from './sbatch-arguments.ts';
import { SlurmControl } from './slurm-control.ts';
import { SlurmQueue } from './slurm-queue.ts';
import { isTransient } from './slurm-rows.ts';
import { JOB_SCRIPT, KNOWS_SCRIPT, SUBMIT_SCRIPT } from './slurm-scripts.ts';
import type { SlurmSettings } from './slurm-settings.ts';

export interface SlurmBatchOptions {
  readonly settings: SlurmSettings;
  /** How often Slurm is asked about all jobs together. */
  readonly askEveryMs?: number | undefined;
  /** How long what a node wrote may take to be seen on the host. */
  readonly settleMs?: number | undefined;
}

/** Jobs of a Slurm cluster, by the commands of its login node. */
export class SlurmBatch implements BatchSystem {
  readonly #options: SlurmBatchOptions;
  readonly #queue: SlurmQueue;
  readonly #closed = new AbortController();
  /** By attempt: two calls for one in this process make one job. */
  readonly #launching = new Map<string, Promise<CallResult>>();

  constructor(transport: Transport, options: SlurmBatchOptions) {
    this.#options = options;
    const link = new HostLink(transport, this.#closed.signal);
    this.#queue = new SlurmQueue(link, options.askEveryMs ?? ASK_EVERY_MS);
  }

  launch(launch: BatchLaunch): Promise<CallResult> {
    const { attemptId } = launch.spec;
    let result = this.#launching.get(attemptId);
    if (result === undefined) {
      result = this.#launch(launch).finally(() => this.#launching.delete(attemptId));
      this.#launching.set(attemptId, result);
    }
    return result;
  }

  async knows(
    link: HostLink,
    { dir, attemptId }: { readonly dir: string; readonly attemptId: string },
  ): Promise<boolean> {
    const call = { script: KNOWS_SCRIPT, args: [dir, attemptId], timeoutMs: SLURM_LIMIT_MS };
    const result = await link.once(call).catch(() => undefined);
    return result?.exitCode !== 1;
  }

  control(link: HostLink, spec: AttemptSpec, dir: string): AttemptControl {
    const { settleMs = SETTLE_MS } = this.#options;
    return new SlurmControl({ link, queue: this.#queue, spec, dir, settleMs });
  }

  close(): void {
    this.#closed.abort(new Error('the agent stops'));
  }

  async #launch(launch: BatchLaunch): Promise<CallResult> {
    const { link, spec, remote, layout, workingDir, condaEnv, payload, sharedNames } = launch;
    const { settings } = this.#options;
    const job = [remote.dir, workingDir, condaEnv, spec.attemptId];
    const grace = String(Math.ceil(spec.graceMs / 1000));
    const submit = [
      ...sbatchArguments(spec, remote.dir, settings),
      ...[`${remote.dir}/job.sh`, ...job, grace, String(spec.gpus)],
    ];
    const files = `${fileLines(payload)}trainyard_job=${shellQuote(JOB_SCRIPT)}\n`;
    const result = await link.once({
      script: SUBMIT_SCRIPT,
      args: [
        ...[remote.dir, layout.metricsDir, workingDir, spec.attemptId, String(sharedNames.length)],
        ...sharedNames,
        ...submit,
      ],
      stdin: Buffer.from(`${files}trainyard_program=${shellQuote(payload.program)}\n${COMPLETE_LINE}`),
      timeoutMs: SLURM_LIMIT_MS,
    });
    const isUnknown = result.exitCode === 75 || (result.exitCode === 69 && isTransient(result.stderr));
    if (isUnknown) throw new TransportError('unreachable', `Slurm does not answer: ${result.stderr.trim()}`);
    return result;
  }
}

const ASK_EVERY_MS = 5000;
const SETTLE_MS = 15_000;
/** A command of Slurm waits by itself for about 18 s when its controller is away; two follow each other. */
const SLURM_LIMIT_MS = 60_000;
