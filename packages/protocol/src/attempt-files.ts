/**
 * The attempt directory, the boundary between Trainyard and a training process. This is the only place
 * that knows its file names; agent, supervisor, SSH and Slurm executors and tests all ask here.
 *
 * Paths use `/`, also on remote hosts.
 */
export interface AttemptFiles {
  readonly dir: string;
  /** What the agent was asked to run (AttemptSpec as JSON). */
  readonly spec: string;
  /** One line `bootId pid startTime`, written atomically by the supervisor before the program starts. */
  readonly pid: string;
  /** Combined stdout and stderr of the program, as written. */
  readonly output: string;
  /** Directory that the program sees as PLATFORM_METRICS_DIR. */
  readonly metricsDir: string;
  /** JSON lines, appended by the program (docs/guides/pipelines.md, "Metrics"). */
  readonly metrics: string;
  /** JSON lines of the same form, appended by the agent: how busy the machine is. */
  readonly system: string;
  /** One JSON object, overwritten by the program (the same page). */
  readonly status: string;
  /** Control file for cooperative programs: one word, overwritten atomically by the agent. */
  readonly control: string;
  /** The program's answer to it (`controlAnswer`), overwritten atomically by the program. */
  readonly controlAnswer: string;
  /** Changed params (`paramUpdate`), overwritten atomically by the agent; absent until there are some. */
  readonly paramUpdate: string;
  /** The program's answer to them (`paramAnswer`), overwritten atomically by the program. */
  readonly paramAnswer: string;
  /** Directory of the cgroup that the program was put into; absent where there is none. */
  readonly cgroup: string;
  /** `{"exitCode": n, "endedAt": epochSeconds}`, written atomically by the supervisor. */
  readonly exit: string;
  /** Resolved params of the stage as JSON; the program sees the path as TRAINYARD_PARAMS. */
  readonly params: string;
  /** JSON object that the program may write; it sees the path as TRAINYARD_OUTPUTS. */
  readonly outputs: string;
  /** JSON lines `{"name","path","role","rows"}` by which the program records datasets. */
  readonly datasets: string;
  /** JSON lines `{"path","step","metrics","action"}` by which the program records model checkpoints. */
  readonly checkpoints: string;
  /** `{"code", "message"}` by which a program of the agent's own says why it failed. */
  readonly failure: string;
  /** Left by whoever ended the program in the place of an agent that had not done so when its lease ran out. */
  readonly leaseEnded: string;
  /** The agent's own journal of what it has reported; never read by the program. */
  readonly agentState: string;
}

export function attemptFiles(dir: string, runId: string): AttemptFiles {
  const metricsDir = `${dir}/metrics`;
  return {
    dir,
    spec: `${dir}/spec.json`,
    pid: `${dir}/pid`,
    output: `${dir}/output.log`,
    metricsDir,
    ...metricsFiles(metricsDir, runId),
    system: `${dir}/system_metrics.jsonl`,
    control: `${dir}/control`,
    controlAnswer: `${dir}/control.ack`,
    paramUpdate: `${dir}/params-update.json`,
    paramAnswer: `${dir}/params-update.ack.json`,
    cgroup: `${dir}/cgroup`,
    exit: `${dir}/exit.json`,
    params: `${dir}/params.json`,
    outputs: `${dir}/outputs.json`,
    datasets: `${dir}/datasets.jsonl`,
    checkpoints: `${dir}/checkpoints.jsonl`,
    failure: `${dir}/failure.json`,
    leaseEnded: `${dir}/lease-ended`,
    agentState: `${dir}/agent-state.json`,
  };
}

/** Names of the two metrics files of a job in a metrics directory. */
export function metricsFiles(metricsDir: string, jobId: string): { metrics: string; status: string } {
  return { metrics: `${metricsDir}/${jobId}_metrics.jsonl`, status: `${metricsDir}/${jobId}_status.json` };
}

/**
 * Where a program that runs outside Trainyard writes its metrics: PLATFORM_METRICS_DIR, else
 * `./platform_metrics`; over SSH `{workingDir}/platform_metrics`. Inside Trainyard the variable is set.
 */
export function metricsDirectory(options: {
  env?: Readonly<Record<string, string | undefined>>;
  sshWorkingDir?: string;
}): string {
  if (options.sshWorkingDir !== undefined)
    return `${options.sshWorkingDir.replace(/\/+$/, '')}/platform_metrics`;
  const fromEnv = options.env?.['PLATFORM_METRICS_DIR'];
  return fromEnv === undefined || fromEnv === '' ? './platform_metrics' : fromEnv.replace(/\/+$/, '');
}
