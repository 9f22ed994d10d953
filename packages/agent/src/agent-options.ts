import { hostname } from 'node:os';
import { resolve } from 'node:path';
import { checkServerUrl } from '@trainyard/client';
import { AGENT_PROTOCOL, TrainyardError } from '@trainyard/protocol';
import { type AgentLane, type AgentQueue, agentLanes } from './agent-lanes.ts';
import { type AgentLog, defaultAgentLog } from './agent-log.ts';
import { HOSTS_DIR_VARIABLE } from './attempt/payload-environment.ts';
import type { Executor } from './executor.ts';
import { localExecutor } from './local/local-executor.ts';
import { type LocalApiOptions, resolveLocalApi } from './local-api/local-api-options.ts';
import { DEFAULT_JOURNAL_LIMITS, type JournalLimits } from './stream/journal-limits.ts';
import type { MachineSource } from './telemetry/machine-source.ts';

export interface AgentOptions {
  /** Address of the server. */
  readonly url: string;
  /** Token with the scope of an agent; not needed by a server that is open on loopback. */
  readonly token?: string | undefined;
  /** Where the agent keeps its id and the attempt directories. One agent at a time uses it. */
  readonly dataDir: string;
  /** Shown to people. Default: the host name. */
  readonly name?: string | undefined;
  /** Attempts that run at the same time, of queues without slots of their own. Default 2. */
  readonly slots?: number | undefined;
  /**
   * GPUs that may be given to jobs, each to one at a time: how many, or their ids for CUDA_VISIBLE_DEVICES
   * (`detectGpuIds`). Default 0.
   */
  readonly gpus?: number | readonly string[] | undefined;
  /** Default ["default"]. A queue with slots of its own never waits for the others. */
  readonly queues?: readonly AgentQueue[] | undefined;
  readonly labels?: Readonly<Record<string, string>> | undefined;
  /** By the name that a job gives. Default: `local`. */
  readonly executors?: Readonly<Record<string, Executor>> | undefined;
  readonly log?: AgentLog | undefined;
  /** Environment that jobs inherit. Default: that of this process. */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** Where `hosts.json` is: on its hosts clean-up stages delete, too. Left out: on this machine only. */
  readonly hostsDir?: string | undefined;
  /** Bounds of what jobs write. */
  readonly limits?: Partial<JournalLimits> | undefined;
  readonly timing?: Partial<AgentTiming> | undefined;
  /** Where jobs run and telemetry comes from. Default: this machine. */
  readonly machine?: MachineSource | undefined;
  /**
   * The only server that there can be runs in this very process. Then nobody gives the agent's work away while the
   * process stands still, and its programs go on until it is there again, however long that takes.
   */
  readonly isBesideServer?: boolean | undefined;
  /** The agent's own HTTP routes; left out: none. */
  readonly api?: (Partial<LocalApiOptions> & Pick<LocalApiOptions, 'port'>) | undefined;
}

/** Times of the agent that tests shorten. */
export interface AgentTiming {
  /** How long a claim waits at the server. */
  readonly claimWaitMs: number;
  /** Longest wait for an answer of the server. */
  readonly requestTimeoutMs: number;
  /** Time between the end of a lease and the moment when the server may give the work to another agent. */
  readonly lostGraceMs: number;
  /** Waits between tries while the server is away. */
  readonly retryFirstMs: number;
  readonly retryMaxMs: number;
  /** After the end of a job, the longest time without progress in sending its streams to a server that answers. */
  readonly flushDeadlineMs: number;
  /** From one look at the machine to the next; 0: none. */
  readonly telemetryMs: number;
  /** From one look at processes that could not be ended to the next. */
  readonly leftLookMs: number;
}

export interface ResolvedAgentOptions {
  readonly url: string;
  readonly token: string | undefined;
  readonly dataDir: string;
  readonly name: string;
  /** Slots, and the queues that they are for. */
  readonly lanes: readonly AgentLane[];
  readonly gpuIds: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  readonly executors: ReadonlyMap<string, Executor>;
  readonly log: AgentLog;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly limits: JournalLimits;
  readonly timing: AgentTiming;
  readonly machine: MachineSource | undefined;
  readonly api: LocalApiOptions | undefined;
  readonly isBesideServer: boolean;
}

/** Fills in the defaults. @throws TrainyardError USAGE naming the option that cannot be used */
export function resolveAgentOptions(options: AgentOptions): ResolvedAgentOptions {
  checkServerUrl(options.url);
  return {
    url: options.url,
    token: options.token,
    dataDir: resolve(options.dataDir),
    name: options.name ?? hostname(),
    lanes: agentLanes(options.queues ?? ['default'], wholeNumber('slots', options.slots ?? 2, 1)),
    gpuIds: gpuIds(options.gpus ?? 0, options.env ?? process.env),
    labels: options.labels ?? {},
    executors: new Map(Object.entries(options.executors ?? { local: localExecutor })),
    log: options.log ?? defaultAgentLog(),
    // A copy: reading the environment of the process itself is slow, and it is read for every job.
    env: { ...(options.env ?? process.env), [HOSTS_DIR_VARIABLE]: hostsDirOf(options) },
    limits: journalLimits(options.limits),
    timing: { ...DEFAULT_TIMING, ...options.timing },
    machine: options.machine,
    api: options.api === undefined ? undefined : resolveLocalApi(options.api),
    isBesideServer: options.isBesideServer ?? false,
  };
}

function hostsDirOf({ hostsDir }: AgentOptions): string | undefined {
  return hostsDir === undefined ? undefined : resolve(hostsDir);
}

const DEFAULT_TIMING: AgentTiming = {
  claimWaitMs: AGENT_PROTOCOL.maxClaimWaitMs,
  requestTimeoutMs: 15_000,
  lostGraceMs: AGENT_PROTOCOL.lostGraceMs,
  retryFirstMs: 250,
  retryMaxMs: 10_000,
  flushDeadlineMs: 600_000,
  telemetryMs: 10_000,
  leftLookMs: 5000,
};

function journalLimits(given: Partial<JournalLimits> = {}): JournalLimits {
  const limits = { ...DEFAULT_JOURNAL_LIMITS, ...given };
  for (const [name, bytes] of Object.entries(limits)) wholeNumber(`a limit (${name})`, bytes, 0);
  return limits;
}

/** Of a number: those that the agent itself is limited to, else 0, 1, 2… */
function gpuIds(
  gpus: number | readonly string[],
  env: Readonly<Record<string, string | undefined>>,
): string[] {
  if (typeof gpus !== 'number') {
    if (new Set(gpus).size === gpus.length) return [...gpus];
    throw new TrainyardError('USAGE', `A GPU is named twice: ${gpus.join(', ')}.`);
  }
  const visible = (env['CUDA_VISIBLE_DEVICES'] ?? '').split(',').filter((id) => id !== '');
  return Array.from({ length: wholeNumber('gpus', gpus, 0) }, (_, index) => visible[index] ?? String(index));
}

function wholeNumber(name: string, value: number, min: number): number {
  if (Number.isSafeInteger(value) && value >= min) return value;
  throw new TrainyardError(
    'USAGE',
    `The number of ${name} of an agent must be a whole number >= ${min}, found ${value}.`,
  );
}
