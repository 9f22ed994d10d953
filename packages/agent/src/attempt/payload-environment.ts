import { dirname } from 'node:path';
import type { AttemptFiles, AttemptSpec } from '@trainyard/protocol';

/** Where our own program that cleans up finds the hosts that the agent knows; no other program is told. */
export const HOSTS_DIR_VARIABLE = 'TRAINYARD_HOSTS_DIR';

/**
 * Environment of a job's program: that of the agent without secrets of Trainyard and the database, then the
 * job's own, then what docs/guides/pipelines.md promises. `node` is found as the Node that runs the agent, unless
 * the job sets its own PATH.
 *
 * @param gpuIds ids for CUDA_VISIBLE_DEVICES; `undefined` leaves the variable alone (an agent without GPUs)
 */
export function payloadEnvironment(options: {
  readonly agentEnv: Readonly<Record<string, string | undefined>>;
  readonly spec: AttemptSpec;
  readonly files: AttemptFiles;
  readonly gpuIds: readonly string[] | undefined;
}): Record<string, string> {
  const { agentEnv, spec, files, gpuIds } = options;
  const env = inheritedEnvironment(agentEnv);
  env['PATH'] = [dirname(process.execPath), env['PATH'] ?? DEFAULT_PATH].join(':');
  const hostsDir = spec.builtin?.program === 'cleanup_checkpoints' ? agentEnv[HOSTS_DIR_VARIABLE] : undefined;
  return {
    ...env,
    ...jobEnvironment({ spec, files, gpuIds }),
    ...(hostsDir === undefined ? {} : { [HOSTS_DIR_VARIABLE]: hostsDir }),
  };
}

/** What programs of others may see of an environment of ours. */
export function inheritedEnvironment(
  agentEnv: Readonly<Record<string, string | undefined>>,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(agentEnv)) {
    if (value !== undefined && !isWithheld(name)) env[name] = value;
  }
  return env;
}

/** What a job's program gets on every machine, on top of what that machine gives. */
export function jobEnvironment(options: {
  readonly spec: AttemptSpec;
  readonly files: Pick<AttemptFiles, 'dir' | 'params' | 'outputs' | 'metricsDir'>;
  readonly gpuIds: readonly string[] | undefined;
}): Record<string, string> {
  const { spec, files, gpuIds } = options;
  return {
    PYTHONUNBUFFERED: '1',
    ...spec.env,
    TRAINYARD_RUN_ID: spec.runId,
    TRAINYARD_ROOT_RUN_ID: spec.rootId,
    TRAINYARD_PARENT_RUN_ID: spec.parentId,
    TRAINYARD_STAGE: spec.stage,
    TRAINYARD_ATTEMPT: String(spec.number),
    TRAINYARD_ATTEMPT_ID: spec.attemptId,
    TRAINYARD_ATTEMPT_DIR: files.dir,
    TRAINYARD_PARAMS: files.params,
    TRAINYARD_OUTPUTS: files.outputs,
    ...(spec.resumeFrom === undefined ? {} : { TRAINYARD_RESUME_FROM: spec.resumeFrom.path }),
    PLATFORM_METRICS_DIR: files.metricsDir,
    // After the job's own: a GPU belongs to the one to whom the agent gave it.
    ...(gpuIds === undefined ? {} : { CUDA_VISIBLE_DEVICES: gpuIds.join(',') }),
  };
}

const DEFAULT_PATH = '/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin';

/** Database passwords, and what Node sets for a process that was forked by another Node. */
const WITHHELD = new Set([
  'DATABASE_URL',
  'PGPASSWORD',
  'PGPASSFILE',
  'NODE_CHANNEL_FD',
  'NODE_CHANNEL_SERIALIZATION_MODE',
  'NODE_UNIQUE_ID',
]);

/** Of our own variables only the address is handed on: the others are secrets or those of an outer job. */
function isWithheld(name: string): boolean {
  return WITHHELD.has(name) || (name.startsWith('TRAINYARD_') && name !== 'TRAINYARD_URL');
}
