import { type AttemptFiles, attemptFiles, metricsDirectory, metricsFiles } from '@trainyard/protocol';

/** Where a host keeps what is ours, below its working directory. All paths are absolute. */
export interface RemoteLayout {
  readonly base: string;
  /** Code that was sent, by what is in it. */
  readonly codeDir: string;
  /** PLATFORM_METRICS_DIR of all jobs. */
  readonly metricsDir: string;
}

/** Files of one attempt on its host. */
export interface RemoteAttemptFiles extends AttemptFiles {
  /** Metrics and status under the names that programs use; they lead into the attempt's own directory. */
  readonly shared: readonly { readonly metrics: string; readonly status: string }[];
  /** A copy of the code that is the attempt's own. */
  readonly work: string;
}

export function remoteLayout(base: string): RemoteLayout {
  return { base, codeDir: `${base}/code`, metricsDir: metricsDirectory({ sshWorkingDir: base }) };
}

/** @param jobIds names by which the program may call its metrics files: its run, its training job */
export function remoteAttemptFiles(
  layout: RemoteLayout,
  attempt: { readonly attemptId: string; readonly jobIds: readonly [string, ...string[]] },
): RemoteAttemptFiles {
  const dir = `${layout.base}/attempts/${attempt.attemptId}`;
  return {
    ...attemptFiles(dir, attempt.jobIds[0]),
    shared: attempt.jobIds.map((id) => metricsFiles(layout.metricsDir, id)),
    work: `${dir}/work`,
  };
}
