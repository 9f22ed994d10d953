import type { BatchLaunch } from '../remote/attempt-control.ts';
import type { HostLink } from '../remote/host-link.ts';
import { type CallResult, TransportError } from '../transport/transport.ts';
import { ARRAY_LIMIT_SCRIPT } from './array-scripts.ts';
import { arrayKey, arraySubmit, ownBytes } from './array-submit.ts';
import { LaunchGathering } from './launch-gathering.ts';
import type { SlurmSettings } from './slurm-settings.ts';

export interface SlurmArraysOptions {
  readonly settings: SlurmSettings;
  /** How long those of a group that are there wait for the next one. */
  readonly gatherMs: number;
  readonly link: HostLink;
  /** Hands one attempt over, as a job of its own. */
  readonly single: (launch: BatchLaunch) => Promise<CallResult>;
  /** Makes a call that submits something. @throws TransportError when it is not known what became of it */
  readonly submit: (call: Parameters<HostLink['once']>[0]) => Promise<CallResult>;
}

/** Hands attempts that belong together to Slurm as arrays: one call, and one entry for the controller. */
export class SlurmArrays {
  readonly #options: SlurmArraysOptions;
  readonly #gathering: LaunchGathering<BatchLaunch, CallResult>;
  #limit: number | undefined;

  constructor(options: SlurmArraysOptions) {
    this.#options = options;
    this.#gathering = new LaunchGathering((launches) => this.#handOver(launches), options.gatherMs);
  }

  launch(launch: BatchLaunch): Promise<CallResult> {
    const { group, spec } = launch;
    if (group === undefined || group.size === 1) return this.#options.single(launch);
    return this.#gathering.add(group, spec.attemptId, launch);
  }

  close(reason: Error): void {
    this.#gathering.close(reason);
  }

  async #handOver(launches: readonly BatchLaunch[]): Promise<readonly Promise<CallResult>[]> {
    if (launches.length === 1) return launches.map(this.#options.single);
    const tasks = Math.min(MAX_TASKS, await this.#maxArraySize());
    // Sorted, so that a repeat has the same arrays.
    const sorted = launches.toSorted((a, b) => (a.spec.attemptId < b.spec.attemptId ? -1 : 1));
    const alike = Map.groupBy(sorted, (launch) => arrayKey(launch, this.#options.settings));
    const results = new Map<BatchLaunch, Promise<CallResult>>();
    for (const same of alike.values()) {
      for (const part of arrayParts(same, { tasks, ownBytes: MAX_OWN_BYTES })) {
        const answers = this.#part(part);
        for (const [at, launch] of part.entries()) results.set(launch, answers[at]!);
      }
    }
    return launches.map((launch) => results.get(launch)!);
  }

  #part(part: readonly BatchLaunch[]): Promise<CallResult>[] {
    const { single, submit, settings } = this.#options;
    if (part.length === 1) return part.map(single);
    const whole = submit(arraySubmit(part, settings));
    return part.map(async (launch) => {
      const result = await whole;
      // What is too much for one user, or for an array, may still do for some of them.
      const isTooMany = result.exitCode === REFUSED && /array|limit/i.test(result.stderr);
      return isTooMany ? single(launch) : result;
    });
  }

  /** @throws TransportError when Slurm does not answer */
  async #maxArraySize(): Promise<number> {
    if (this.#limit !== undefined) return this.#limit;
    const result = await this.#options.link.once({ script: ARRAY_LIMIT_SCRIPT, timeoutMs: ASK_LIMIT_MS });
    if (result.exitCode !== 0) {
      throw new TransportError('unreachable', `Slurm does not answer: ${result.stderr.trim()}`);
    }
    // A Slurm that does not tell gets single jobs.
    this.#limit = Number(result.stdout.toString('utf8').trim()) || 1;
    return this.#limit;
  }
}

/** Splits what goes into one array; 0 and 1 tasks mean that there are none. Pure. */
export function arrayParts(
  launches: readonly BatchLaunch[],
  limits: { readonly tasks: number; readonly ownBytes: number },
): BatchLaunch[][] {
  const parts: BatchLaunch[][] = [];
  let bytes = 0;
  for (const launch of launches) {
    const part = parts.at(-1);
    bytes += ownBytes(launch);
    if (part === undefined || part.length >= limits.tasks || bytes > limits.ownBytes) {
      parts.push([launch]);
      bytes = ownBytes(launch);
    } else {
      part.push(launch);
    }
  }
  return parts;
}

/** Each node of an array gets the environment of all its tasks, and Linux takes 2 MiB with all else. */
const MAX_OWN_BYTES = 256 * 1024;
const MAX_TASKS = 1000;
const ASK_LIMIT_MS = 30_000;
const REFUSED = 69;
