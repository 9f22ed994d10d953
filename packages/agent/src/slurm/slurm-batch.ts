import type { AttemptSpec } from '@trainyard/protocol';
import type { AttemptControl, BatchLaunch, BatchSystem } from '../remote/attempt-control.ts';
import { HostLink } from '../remote/host-link.ts';
import { COMPLETE_LINE, fileLines } from '../remote/start-payload.ts';
import { shellQuote } from '../transport/shell-quote.ts';
import { type CallResult, type RemoteCall, type Transport, TransportError } from '../transport/transport.ts';
import { fenceJobsCall, runComment } from './fence-jobs-script.ts';
import { jobArguments, sbatchArguments } from './sbatch-arguments.ts';
import { SlurmArrays } from './slurm-arrays.ts';
import { SlurmCancels } from './slurm-cancels.ts';
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
  /** How long those of a group that are there wait for the next one. */
  readonly gatherMs?: number | undefined;
}

/** Jobs of a Slurm cluster, by the commands of its login node. */
export class SlurmBatch implements BatchSystem {
  readonly #options: SlurmBatchOptions;
  readonly #queue: SlurmQueue;
  readonly #arrays: SlurmArrays;
  readonly #cancels: SlurmCancels;
  readonly #closed = new AbortController();
  /** By attempt: two calls for one in this process make one job. */
  readonly #launching = new Map<string, Promise<CallResult>>();

  constructor(transport: Transport, options: SlurmBatchOptions) {
    this.#options = options;
    const link = new HostLink(transport, this.#closed.signal);
    this.#queue = new SlurmQueue(link, options.askEveryMs ?? ASK_EVERY_MS);
    this.#cancels = new SlurmCancels(link);
    this.#arrays = new SlurmArrays({
      settings: options.settings,
      gatherMs: options.gatherMs ?? GATHER_MS,
      link,
      single: (launch) => this.#single(launch),
      submit: (call) => this.#submit(link, call),
    });
  }

  launch(launch: BatchLaunch): Promise<CallResult> {
    const { attemptId } = launch.spec;
    let result = this.#launching.get(attemptId);
    if (result === undefined) {
      result = this.#arrays.launch(launch).finally(() => this.#launching.delete(attemptId));
      this.#launching.set(attemptId, result);
    }
    return result;
  }

  async fence(
    link: HostLink,
    { spec, dir }: { readonly spec: AttemptSpec; readonly dir: string },
  ): Promise<CallResult> {
    const result = await link.once(fenceJobsCall(spec, dir));
    if (result.exitCode === 75)
      throw new TransportError('unreachable', `Slurm does not answer: ${result.stderr.trim()}`);
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
    return new SlurmControl({ link, queue: this.#queue, cancels: this.#cancels, spec, dir, settleMs });
  }

  close(): void {
    const reason = new Error('the agent stops');
    this.#closed.abort(reason);
    this.#arrays.close(reason);
    this.#cancels.close(reason);
  }

  #single(launch: BatchLaunch): Promise<CallResult> {
    const { link, spec, remote, layout, workingDir, payload, sharedNames } = launch;
    const job = { name: spec.attemptId, dir: remote.dir };
    // Before what the agent is set to: a comment that the cluster needs for its accounts stays.
    const sbatch = [
      `--comment=${runComment(spec.runId)}`,
      ...sbatchArguments(spec, job, this.#options.settings),
    ];
    const files = `${fileLines(payload)}trainyard_job=${shellQuote(JOB_SCRIPT)}\n`;
    return this.#submit(link, {
      script: SUBMIT_SCRIPT,
      args: [
        ...[remote.dir, layout.metricsDir, workingDir, spec.attemptId, spec.runId, String(spec.number)],
        String(sharedNames.length),
        ...[...sharedNames, ...sbatch, `${remote.dir}/job.sh`, ...jobArguments(launch)],
      ],
      stdin: Buffer.from(`${files}trainyard_program=${shellQuote(payload.program)}\n${COMPLETE_LINE}`),
    });
  }

  async #submit(link: HostLink, call: RemoteCall): Promise<CallResult> {
    const result = await link.once({ ...call, timeoutMs: SLURM_LIMIT_MS });
    const isUnknown = result.exitCode === 75 || (result.exitCode === 69 && isTransient(result.stderr));
    if (isUnknown) throw new TransportError('unreachable', `Slurm does not answer: ${result.stderr.trim()}`);
    return result;
  }
}

const ASK_EVERY_MS = 5000;
const SETTLE_MS = 15_000;
/** One may have to send code of its own, or wait for its secrets; then the others go without it. */
const GATHER_MS = 15_000;
/** A command of Slurm waits by itself for about 18 s when its controller is away; two follow each other. */
const SLURM_LIMIT_MS = 60_000;
