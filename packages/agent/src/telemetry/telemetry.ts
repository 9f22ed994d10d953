import { appendFile, open } from 'node:fs/promises';
import type { MachineTelemetry } from '@trainyard/protocol';
import type { AgentLog } from '../agent-log.ts';
import { WakeableWait } from '../wakeable-wait.ts';
import type { GpuSample } from './gpu-rows.ts';
import type { MachineSource } from './machine-source.ts';
import { systemMetrics } from './system-metrics.ts';

/** An attempt whose use of the machine is recorded. */
export interface FollowedAttempt {
  readonly attemptId: string;
  readonly pid: () => number | undefined;
  /** Where its system metrics go, as lines of a metrics file. */
  readonly file: string;
  /** Ids of its GPUs, as the agent gave them; undefined: all of the machine. */
  readonly gpuIds: readonly string[] | undefined;
  readonly startedAtMs: number;
}

interface Followed extends FollowedAttempt {
  /** Up to FIRST_LOOKS. */
  looks: number;
  before: { readonly atMs: number; readonly cpuSeconds: number } | undefined;
  lastStep: number;
}

/**
 * Looks at the machine every few seconds and writes what it sees to the files of the attempts that run. One
 * look serves them all; it costs a small part of a core, whatever the number of attempts.
 */
export class Telemetry {
  readonly #source: MachineSource;
  readonly #everyMs: number;
  readonly #log: AgentLog;
  readonly #followed = new Map<string, Followed>();
  readonly #pauses = new WakeableWait();
  #latest: MachineTelemetry | undefined;

  constructor(options: {
    readonly source: MachineSource;
    readonly everyMs: number;
    readonly log: AgentLog;
  }) {
    this.#source = options.source;
    this.#everyMs = options.everyMs;
    this.#log = options.log;
  }

  /** At the last look; undefined when the machine told nothing then. */
  get latest(): MachineTelemetry | undefined {
    return this.#latest;
  }

  /** Of the machine that is looked at, when it is another one. */
  get address(): string | undefined {
    return this.#source.address;
  }

  /** Records an attempt until the function that is returned is called. */
  follow(attempt: FollowedAttempt): () => void {
    this.#followed.set(attempt.attemptId, { ...attempt, looks: 0, before: undefined, lastStep: -1 });
    this.#pauses.wake();
    return () => this.#followed.delete(attempt.attemptId);
  }

  /** Runs until the signal fires. Never fails: a machine that tells nothing is no reason to stop. */
  async run(signal: AbortSignal): Promise<void> {
    if (this.#everyMs <= 0) return;
    while (!signal.aborted) {
      const beganMs = performance.now();
      await this.look().catch((error: unknown) =>
        this.#log.warn({ error: String(error) }, 'could not look at the machine'),
      );
      // A new one is looked at soon, and once more: what is used in a second needs two looks.
      const soonMs = Math.min(SOON_MS, this.#everyMs);
      const leftMs = (ms: number) => Math.max(0, ms - (performance.now() - beganMs));
      if (!this.#hasNew) await this.#pauses.wait(leftMs(this.#everyMs), signal);
      if (this.#hasNew) await new WakeableWait().wait(leftMs(soonMs), signal);
    }
  }

  get #hasNew(): boolean {
    for (const { looks } of this.#followed.values()) if (looks < FIRST_LOOKS) return true;
    return false;
  }

  /** One look. */
  async look(): Promise<void> {
    const followed = [...this.#followed.values()];
    for (const attempt of followed) attempt.looks = Math.min(attempt.looks + 1, FIRST_LOOKS);
    const programs = followed.map(({ attemptId, pid }) => ({ attemptId, pid: pid() }));
    const seen = await this.#source.look(programs);
    this.#latest = seen && { at: Date.now(), machine: seen.machine, gpus: [...seen.gpus] };
    if (seen === undefined) return;
    const { machine, gpus, usage } = seen;
    const atMs = performance.now();
    await Promise.all(
      followed.map(async (attempt) => {
        const used = usage.get(attempt.attemptId);
        const { before } = attempt;
        attempt.before = used && { atMs, cpuSeconds: used.cpuSeconds };
        const cores =
          before === undefined || used === undefined
            ? undefined
            : Math.max(0, used.cpuSeconds - before.cpuSeconds) / ((atMs - before.atMs) / 1000);
        const own = gpusOf(attempt, gpus);
        await this.#write(attempt, systemMetrics({ machine, gpus: own, usage: used, cores }));
      }),
    );
  }

  /** Steps are seconds since the start, so that they go on after a restart of the agent. */
  async #write(attempt: Followed, values: Record<string, number>): Promise<void> {
    const nowMs = Date.now();
    const step = Math.max(0, Math.round((nowMs - attempt.startedAtMs) / 1000));
    // Ended meanwhile, or the clock was set back.
    if (!this.#followed.has(attempt.attemptId) || step <= attempt.lastStep) return;
    const begin = attempt.lastStep < 0 && (await endsInLine(attempt.file)) ? '\n' : '';
    attempt.lastStep = step;
    const line = `${begin}${JSON.stringify({ step, timestamp: nowMs / 1000, ...values })}\n`;
    await appendFile(attempt.file, line).catch((error: unknown) =>
      this.#log.warn({ attemptId: attempt.attemptId, error: String(error) }, 'cannot record system metrics'),
    );
  }
}

/** Looks at a new attempt before it has to wait for its turn like the others, and how far they are apart. */
const FIRST_LOOKS = 2;
const SOON_MS = 1000;

function gpusOf({ gpuIds }: FollowedAttempt, all: readonly GpuSample[]): readonly GpuSample[] {
  if (gpuIds === undefined) return all;
  return all.filter(
    ({ uuid, index }) => gpuIds.includes(String(index)) || (uuid !== null && gpuIds.includes(uuid)),
  );
}

/** Whether an agent that was killed left half a line. */
async function endsInLine(path: string): Promise<boolean> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size === 0) return false;
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1);
    return buffer[0] !== 0x0a;
  } catch {
    return false;
  }
}
