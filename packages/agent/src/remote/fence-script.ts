import type { AttemptSpec } from '@trainyard/protocol';
import type { RemoteCall } from '../transport/transport.ts';
import { ENDING } from './ending-scripts.ts';
import { PROCESSES } from './processes-script.ts';
import { RUN_NOTES } from './run-notes.ts';
import { wholeSeconds } from './whole-seconds.ts';

/** Ends every earlier attempt of a run on a host. @param dir of the new one, over there */
export function fenceCall(spec: AttemptSpec, dir: string): RemoteCall {
  // Their work was given away already: a long grace would only hold up the new one.
  const graceMs = Math.min(spec.graceMs, MAX_GRACE_MS);
  const args = [dir, spec.attemptId, spec.runId, String(spec.number), wholeSeconds(graceMs)];
  return { script: FENCE_SCRIPT, args, timeoutMs: graceMs + LIMIT_MS };
}

const MAX_GRACE_MS = 60_000;
/** A start that is under way, KILL, supervisors that end, and looks. */
const LIMIT_MS = 90_000;

/**
 * Sh that finds what other attempts of a run have left on this host, by the environment of processes: whoever started
 * them, and wherever their directory is. Needs `attempt`, `run` and `number`.
 */
export const OTHERS = `
# Prints pid, number and directory of each process that another attempt of the run has left.
strangers() {
  grep -lzxF "TRAINYARD_RUN_ID=$run" /proc/[0-9]*/environ 2>/dev/null | while read -r file; do
    vars=$({ tr '\\0' '\\n' < "$file"; } 2>/dev/null)
    their_dir=$(echo "$vars" | sed -n 's/^TRAINYARD_ATTEMPT_DIR=//p' | head -n 1)
    [ -n "$vars" ] && [ "\${their_dir##*/}" != "$attempt" ] || continue
    case $vars in *TRAINYARD_ATTEMPT_ID="$attempt"*) continue ;; esac
    their_number=$(echo "$vars" | sed -n 's/^TRAINYARD_ATTEMPT=\\([0-9]*\\)$/\\1/p' | head -n 1)
    file=\${file#/proc/}
    echo "\${file%/environ} \${their_number:-0} $their_dir"
  done
}
# Fails, with words on stderr, when a later attempt of the run lives here.
refuse_when_newer() {
  newer=$(strangers | while read -r _ their_number _; do
    [ "$their_number" -gt "$number" ] && echo "$their_number" && break
  done)
  [ -z "$newer" ] || { echo "attempt $newer of the run lives on this host" >&2; return 67; }
}
`;

/**
 * Ends every other attempt of a run on this host, before a new one starts: those that are noted, and whatever carries
 * the run in its environment, whoever started it and wherever its directory is. Arguments: attempt directory, id, run,
 * number of the attempt, seconds of grace. May be run again. Prints the ids of those of which something lived.
 *
 * Exit codes: 67 a later attempt was started, 71 something does not die (it is printed to stderr), 73 the directory
 * cannot be made.
 */
const FENCE_SCRIPT = `
${PROCESSES}
${ENDING}
umask 077
dir=$1 attempt=$2 run=$3 number=$4 grace=$5
${RUN_NOTES}
note_attempt || exit $?
${OTHERS}
end_other() (
  dir=$1 attempt=\${1##*/}
  prevent "$dir" && exit 0
  # A supervisor that lives is about to start its program.
  tries=0
  while [ "$tries" -lt 100 ]; do
    load "$dir/pid"
    [ -z "$pid" ] && load "$dir/pid.lock/supervisor" && is_alive && [ ! -e "$dir/pid" ] || break
    tries=$((tries + 1))
    sleep 0.1 2>/dev/null || sleep 1
  done
  load "$dir/pid"
  own_cgroup
  [ -n "$(living)" ] || exit 0
  echo "$attempt"
  end_attempt "$grace" || { echo "of $attempt still lives: $left" >&2; exit 71; }
)
refuse_when_newer || exit $?
for other in $(earlier_attempts); do
  end_other "\${dir%/attempts/*}/attempts/$other" || exit 71
  rm -f "$notes"/*."$other"
done
strangers | sed 's/^[0-9]* [0-9]* //' | sort -u | while read -r their_dir; do
  [ ! -d "$their_dir" ] || end_other "$their_dir" || exit 71
done || exit 71
tries=0
while left=$(strangers | sed 's/ .*//' | tr '\\n' ' ') && [ -n "$left" ]; do
  [ "$tries" -ge 100 ] && { echo "still lives: $left" >&2; exit 71; }
  # Supervisors end by themselves.
  [ "$tries" -ge 30 ] && kill -s KILL $left 2>/dev/null
  tries=$((tries + 1))
  sleep 0.1 2>/dev/null || sleep 1
done
:
`;
