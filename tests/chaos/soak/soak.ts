import { planFaults } from './fault-plan.ts';
import { PatientClient } from './patient-client.ts';
import { seededRandom } from './random.ts';
import {
  checkCgroups,
  checkDescriptors,
  checkDirectories,
  checkJobs,
  checkProcesses,
} from './soak-checks.ts';
import { SLOTS_PER_AGENT, SoakCluster } from './soak-cluster.ts';
import { SoakFaults } from './soak-faults.ts';
import { SoakLoad } from './soak-load.ts';
import { JOBS_PER_PIPELINE, planPipeline } from './soak-plan.ts';

export interface SoakOptions {
  /** Rounded up to whole pipelines. */
  readonly jobs: number;
  readonly agents: number;
  readonly seed: number;
  /** The jobs must have ended by then. */
  readonly limitMs: number;
  /** Faults come for so long; what has not ended by then ends in peace. */
  readonly faultsForMs: number;
  readonly say: (line: string) => void;
  /** Keeps the directory of the soak when something is wrong, and tells where. */
  readonly keepsWrong: boolean;
}

export interface SoakResult {
  /** What is not as promised, in words; empty when all is well. */
  readonly wrong: readonly string[];
  readonly jobs: number;
  readonly attempts: number;
  readonly faults: Readonly<Record<string, number>>;
}

const TICK_MS = 250;
const SAY_EACH_MS = 5000;

/**
 * Many short jobs on a few agents while agents, server, database and jobs are killed at random, and then a look
 * whether all ended as it must, once, with every byte and point stored, and nothing left behind. Load and faults
 * follow from the seed.
 */
export async function soak(options: SoakOptions): Promise<SoakResult> {
  const cluster = new SoakCluster();
  let wrong: readonly string[] = ['the soak broke off'];
  try {
    const result = await run(cluster, options);
    wrong = result.wrong;
    return result;
  } finally {
    await cluster.stop();
    if (wrong.length > 0 && options.keepsWrong) {
      options.say(`${cluster.stderr()}\nall files are in ${cluster.dir}`);
    } else cluster.remove();
  }
}

async function run(cluster: SoakCluster, options: SoakOptions): Promise<SoakResult> {
  const client = new PatientClient(await cluster.start(options.agents));
  const random = seededRandom(options.seed);
  const pipelines = Array.from({ length: Math.ceil(options.jobs / JOBS_PER_PIPELINE) }, (_, index) =>
    planPipeline(random, index, cluster.ledgerDir),
  );
  const atOnce = Math.ceil((2 * options.agents * SLOTS_PER_AGENT) / JOBS_PER_PIPELINE) + 1;
  const load = new SoakLoad(client, pipelines, atOnce);
  const faults = new SoakFaults(cluster, client, load);
  const before = await idleDescriptors(cluster, client, options.agents);
  await runThrough({ load, faults, options });

  const wrong = [...client.faults, ...(await cluster.quiet())];
  const jobs = await checkJobs({ cluster, client, load, faults });
  wrong.push(...jobs.wrong, ...checkProcesses(load));
  wrong.push(...checkDescriptors(before, await idleDescriptors(cluster, client, options.agents)));
  await cluster.stop();
  wrong.push(...checkProcesses(load, cluster.dir), ...checkDirectories(cluster, jobs.attemptIds));
  wrong.push(...checkCgroups(jobs.attemptIds));
  return {
    wrong,
    jobs: load.jobs().length,
    attempts: jobs.attemptIds.size,
    faults: Object.fromEntries(faults.done),
  };
}

/** Submits, looks and does faults until all runs have ended. */
async function runThrough(parts: {
  readonly load: SoakLoad;
  readonly faults: SoakFaults;
  readonly options: SoakOptions;
}): Promise<void> {
  const { load, faults, options } = parts;
  const beganAt = Date.now();
  const stopping = new AbortController();
  const injecting = injectAll(parts, stopping.signal);
  let saidAt = 0;
  try {
    while (!load.hasEnded) {
      await load.tick();
      const elapsedMs = Date.now() - beganAt;
      if (elapsedMs > options.limitMs) throw new Error(`not ended in time: ${notEnded(load).join(', ')}`);
      if (elapsedMs - saidAt >= SAY_EACH_MS) {
        saidAt = elapsedMs;
        options.say(progress(load, faults, elapsedMs));
      }
      await wait(TICK_MS);
    }
  } finally {
    stopping.abort();
    await injecting;
  }
  options.say(progress(load, faults, Date.now() - beganAt));
}

/** After a fault the platform gets to do something before the next one, but no more time than this. */
const MOVE_LIMIT_MS = 10_000;

/** Faults overlap: only after one of the server is it waited until that one is there again. */
async function injectAll(
  { load, faults, options }: Parameters<typeof runThrough>[0],
  signal: AbortSignal,
): Promise<void> {
  const running: Promise<void>[] = [];
  const endsAt = Date.now() + options.faultsForMs;
  for (const fault of planFaults(seededRandom(options.seed + 1))) {
    await wait(fault.afterMs);
    if (signal.aborted || Date.now() > endsAt) break;
    const injecting = faults.inject(fault);
    running.push(injecting);
    if (fault.kind === 'server' || fault.kind === 'database') await injecting;
    // On a slow machine nothing would ever end if parts were killed as often as on a fast one.
    const { moves } = load;
    const latest = Date.now() + MOVE_LIMIT_MS;
    while (load.moves === moves && Date.now() < latest && !signal.aborted) await wait(TICK_MS);
  }
  await Promise.all(running);
}

function progress(load: SoakLoad, faults: SoakFaults, elapsedMs: number): string {
  const jobs = load.jobs();
  const ended = jobs.filter(({ run }) => run.endedAt !== null).length;
  const done = [...faults.done].map(([kind, count]) => `${kind} ${count}`).join(', ');
  return `${Math.round(elapsedMs / 1000)} s: ${ended} of ${jobs.length} jobs ended; faults: ${done}`;
}

function notEnded(load: SoakLoad): string[] {
  return load
    .jobs()
    .filter(({ run }) => run.endedAt === null)
    .map(({ run, spec }) => `${run.id} ${run.path} (${spec.kind}) is ${run.status}`);
}

const IDLE_LIMIT_MS = 60_000;

/** Descriptors while every agent is there and nothing runs. */
async function idleDescriptors(
  cluster: SoakCluster,
  client: PatientClient,
  agents: number,
): Promise<Map<string, number>> {
  const deadline = Date.now() + IDLE_LIMIT_MS;
  for (;;) {
    const { items } = await client.json<{ items: { online: boolean }[] }>('/api/v1/agents');
    if (items.filter(({ online }) => online).length === agents) return cluster.descriptors();
    if (Date.now() > deadline) throw new Error(`not all agents are there: ${JSON.stringify(items)}`);
    await wait(TICK_MS);
  }
}

function wait(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
