import { execFile } from 'node:child_process';
import { isLinux, type ProcessIdentity, readProcess } from './process-identity.ts';

const TIMEOUT_MS = 5000;

/**
 * Processes that compute on GPUs which a program had for itself, though it has ended: those that began after it. Told
 * by the driver, so that one is found that hides from every other search. In words; `undefined` when there is none,
 * or nobody can tell.
 */
export async function usersOfGpus(options: {
  readonly gpuIds: readonly string[];
  readonly program: ProcessIdentity | undefined;
  readonly env: Readonly<Record<string, string | undefined>>;
}): Promise<string | undefined> {
  const { gpuIds, program, env } = options;
  // Without UUIDs the driver's list cannot be compared with what was given.
  if (program === undefined || !isLinux || !gpuIds.some((id) => id.startsWith(UUID_PREFIX))) return undefined;
  const users = (await computeProcesses(env)).filter(({ gpuId, pid }) => {
    const startTime = readProcess(pid)?.startTime;
    return (
      gpuIds.includes(gpuId) && startTime !== undefined && Number(startTime) >= Number(program.startTime)
    );
  });
  if (users.length === 0) return undefined;
  return `still on its GPUs: ${users.map(({ pid, gpuId }) => `process ${pid} on ${gpuId}`).join(', ')}`;
}

const UUID_PREFIX = 'GPU-';

function computeProcesses(
  env: Readonly<Record<string, string | undefined>>,
): Promise<readonly { readonly gpuId: string; readonly pid: number }[]> {
  return new Promise((resolve) => {
    execFile(
      'nvidia-smi',
      ['--query-compute-apps=gpu_uuid,pid', '--format=csv,noheader'],
      { env: { ...env }, timeout: TIMEOUT_MS, killSignal: 'SIGKILL', maxBuffer: 1024 * 1024 },
      (error, stdout) => {
        const rows = error === null ? stdout.split('\n') : [];
        resolve(
          rows.flatMap((row) => {
            const match = /^(\S+), *(\d+)\s*$/.exec(row);
            return match === null ? [] : [{ gpuId: match[1]!, pid: Number(match[2]) }];
          }),
        );
      },
    );
  });
}
