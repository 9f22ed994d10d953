import type { Attempt } from '@trainyard/protocol';
import type { FaultKind, PlannedFault } from './fault-plan.ts';
import { JOB_KINDS } from './job-spec.ts';
import type { PatientClient } from './patient-client.ts';
import type { SoakCluster } from './soak-cluster.ts';
import type { SoakJob, SoakLoad } from './soak-load.ts';

/** Less than the tries of a job, and than the losses that a run may have. */
const MAX_HITS_PER_JOB = 2;
/** A job that was seen running may have ended before the fault comes to it. */
const TRIES_TO_FIND = 20;
const BETWEEN_TRIES_MS = 200;

/** Does faults to the platform, and remembers which attempts were hit and which runs were to be cancelled. */
export class SoakFaults {
  readonly #cluster: SoakCluster;
  readonly #client: PatientClient;
  readonly #load: SoakLoad;
  readonly #busy = new Set<string>();
  readonly #hitsOfRun = new Map<string, number>();
  /** Attempts whose program or supervisor was killed: they alone may be followed by another after no failure. */
  readonly hitAttempts = new Set<string>();
  readonly cancelledRuns = new Set<string>();
  readonly done = new Map<FaultKind, number>();

  constructor(cluster: SoakCluster, client: PatientClient, load: SoakLoad) {
    this.#cluster = cluster;
    this.#client = client;
    this.#load = load;
  }

  async inject(fault: PlannedFault): Promise<void> {
    if (await this.#act(fault)) this.done.set(fault.kind, (this.done.get(fault.kind) ?? 0) + 1);
  }

  /** @returns whether there was something to do it to */
  async #act(fault: PlannedFault): Promise<boolean> {
    const { kind } = fault;
    if (kind === 'server') {
      return this.#whileFree('server', async () => {
        await this.#cluster.killServer();
        await wait(fault.lastsMs);
        await this.#cluster.startServer();
        return true;
      });
    }
    if (kind === 'database') return this.#whileFree('server', async () => this.#cluster.killDatabase());
    if (kind === 'server-still')
      return this.#whileFree('server', () => this.#cluster.haltServer(fault.lastsMs));
    if (kind === 'agent-still') {
      const agent = Math.floor(fault.pick * this.#cluster.agentCount);
      return this.#whileFree(`agent ${agent}`, () => this.#cluster.haltAgent(agent, fault.lastsMs));
    }
    if (kind === 'agent') {
      const agent = Math.floor(fault.pick * this.#cluster.agentCount);
      return this.#withoutAgent(agent, fault.lastsMs, async () => true);
    }
    for (let tries = 0; tries < TRIES_TO_FIND; tries += 1) {
      const target = this.#pick(fault);
      if (target !== undefined && (await this.#actOnJob(fault, target))) return true;
      await wait(BETWEEN_TRIES_MS);
    }
    return false;
  }

  /** @returns false also when the job has ended meanwhile */
  #actOnJob(fault: PlannedFault, target: SoakJob): Promise<boolean> {
    if (fault.kind === 'cancel') return this.#cancel(target);
    if (fault.kind === 'pause') return this.#pause(target, fault.lastsMs);
    return this.#actOnAttempt(fault, target);
  }

  async #actOnAttempt(fault: PlannedFault, target: SoakJob): Promise<boolean> {
    const attempt = (await this.#load.attempts(target.run.id)).at(-1);
    const agent = attempt === undefined ? undefined : this.#cluster.agentOf(attempt.id);
    if (attempt === undefined || agent === undefined || attempt.endedAt !== null) return false;
    if (fault.kind === 'program' || fault.kind === 'supervisor')
      return this.#hit(target, attempt, [fault.kind]);
    return this.#withoutAgent(agent, fault.lastsMs, async () =>
      fault.kind === 'machine'
        ? this.#hit(target, attempt, ['supervisor', 'program'])
        : await this.#cancel(target),
    );
  }

  /** Kills processes of an attempt, unless its job was hit so often that it could not end well any more. */
  #hit({ run }: SoakJob, attempt: Attempt, which: readonly ('supervisor' | 'program')[]): boolean {
    const hits = this.#hitsOfRun.get(run.id) ?? 0;
    if (hits >= MAX_HITS_PER_JOB) return false;
    this.#hitsOfRun.set(run.id, hits + 1);
    this.hitAttempts.add(attempt.id);
    return this.#cluster.killAttempt(attempt.id, which);
  }

  async #cancel({ run }: SoakJob): Promise<boolean> {
    this.cancelledRuns.add(run.id);
    const { status } = await this.#client.post(`/api/v1/runs/${run.id}/cancel`, {});
    return status === 202;
  }

  /** Without a mode the program, which takes no part, is frozen. */
  async #pause({ run }: SoakJob, lastsMs: number): Promise<boolean> {
    return this.#whileFree(run.id, async () => {
      const { status } = await this.#client.post(`/api/v1/runs/${run.id}/pause`, {});
      await wait(lastsMs);
      await this.#client.post(`/api/v1/runs/${run.id}/resume`, {});
      return status === 202;
    });
  }

  #withoutAgent(agent: number, lastsMs: number, act: () => Promise<boolean>): Promise<boolean> {
    return this.#whileFree(`agent ${agent}`, async () => {
      await this.#cluster.killAgent(agent);
      // The cancel of a job waits for the server, which may be away longer than the agent.
      const acting = act();
      await wait(lastsMs);
      this.#cluster.startAgent(agent);
      return acting;
    });
  }

  async #whileFree(what: string, act: () => Promise<boolean>): Promise<boolean> {
    if (this.#busy.has(what)) return false;
    this.#busy.add(what);
    try {
      return await act();
    } finally {
      this.#busy.delete(what);
    }
  }

  /** One of the jobs that run, by its place among them. */
  #pick({ kind, pick }: PlannedFault): SoakJob | undefined {
    const isHeld = kind === 'cancel' || kind === 'cancel-without-agent';
    const running = this.#load
      .jobs()
      .filter(({ run, spec }) => run.status === 'running' && (!isHeld || JOB_KINDS[spec.kind].isHeld));
    return running[Math.floor(pick * running.length)];
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
