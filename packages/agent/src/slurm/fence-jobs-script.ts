import type { AttemptSpec } from '@trainyard/protocol';
import { RUN_NOTES } from '../remote/run-notes.ts';
import type { RemoteCall } from '../transport/transport.ts';
import { JOBS } from './slurm-scripts.ts';

/**
 * Takes the jobs of every earlier attempt of a run from Slurm. @param dir of the new attempt, as the nodes see it
 */
export function fenceJobsCall(spec: AttemptSpec, dir: string): RemoteCall {
  const args = [
    dir,
    spec.attemptId,
    spec.runId,
    String(spec.number),
    runComment(spec.runId),
    String(PATIENCE_S),
  ];
  return { script: FENCE_JOBS_SCRIPT, args, timeoutMs: (PATIENCE_S + 60) * 1000 };
}

/** By which jobs of one run are found that agents with other working directories have submitted. */
export function runComment(runId: string): string {
  return `trainyard ${runId}`;
}

/** Slurm itself waits for KillWait, 30 s by default, between TERM and KILL. */
const PATIENCE_S = 120;

/**
 * Arguments: attempt directory, id, run, number of the attempt, comment of the jobs of the run, seconds after which
 * jobs that are still there are given up. May be run again. Prints the jobs that were taken away.
 *
 * Exit codes: 67 a later attempt was handed over, 71 a job does not end (it is named on stderr), 73 the directory
 * cannot be made, 75 Slurm gave no answer.
 */
const FENCE_JOBS_SCRIPT = `
${JOBS}
dir=$1 attempt=$2 run=$3 number=$4 comment=$5 patience=$6
umask 077
${RUN_NOTES}
note_attempt || exit $?
all=\${dir%/attempts/*}/attempts
states=PENDING,RUNNING,SUSPENDED,COMPLETING,CONFIGURING,STOPPED,STAGE_OUT,RESIZING
others=$(earlier_attempts)
for other in $others; do
  mkdir -p "$all/$other" || exit 73
  # The script of its job takes the end for a cancel, and one that comes late is not handed over.
  : > "$all/$other/cancel"
  prevent "$all/$other"
done
left_jobs() {
  for other in $others; do
    (dir=$all/$other attempt=$other; jobs_of_attempt) || return 75
  done
  rows=$(squeue -h -t "$states" -u "$(id -un)" -o '%A|%j|%k') || return 75
  echo "$rows" | while IFS='|' read -r id name text; do
    if [ "$text" = "$comment" ] && [ "$name" != "$attempt" ]; then echo "$id"; fi
  done
}
begun=$(date +%s) told=
while :; do
  ids=$(left_jobs) || exit 75
  ids=$(echo "$ids" | sort -u | tr '\\n' ' ')
  [ -n "\${ids## }" ] || break
  if [ -z "$told" ]; then
    scancel --quiet $ids || exit 75
    told=yes
    echo "$ids"
  fi
  [ "$(($(date +%s) - begun))" -lt "$patience" ] || { echo "still in Slurm: $ids" >&2; exit 71; }
  sleep 1
done
for other in $others; do rm -f "$notes"/*."$other"; done
:
`;
