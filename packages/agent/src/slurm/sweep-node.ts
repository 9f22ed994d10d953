import type { HostLink } from '../remote/host-link.ts';
import { PROCESSES } from '../remote/processes-script.ts';

/**
 * Sees to it that nothing of an attempt is left on its node, also when the script of its job could not, and returns
 * what was found. Slurm may call a job over while its processes live, for instance when its own daemon was killed.
 */
export async function sweepNode(
  link: HostLink,
  attempt: { readonly dir: string; readonly attemptId: string },
): Promise<string | undefined> {
  const args = [attempt.dir, attempt.attemptId];
  const here = await link.persistently(
    { script: SWEEP_SCRIPT, args },
    { untilMs: performance.now() + 60_000 },
  );
  const said = here.stdout.toString('utf8').trim();
  if (said === 'swept' || said === 'never') return undefined;
  if (said !== 'elsewhere') return said;
  const there = await link
    .once({ script: SWEEP_THERE_SCRIPT, args: [...args, NODE_SWEEP], timeoutMs: 60_000 })
    .catch(() => undefined);
  if (there?.exitCode === 0) return there.stdout.toString('utf8').trim() || undefined;
  const node = there?.stdout.toString('utf8').trim() ?? '';
  return `Slurm calls the job over, but it was not seen whether processes are left on its node ${node}: ${there?.stderr.trim() ?? 'no answer'}`;
}

/** Kills what is left, and prints what there was, if anything. */
const KILL_LEFT = `
first= tries=0 empty=0 left=
while [ "$empty" -lt 2 ] && [ "$tries" -lt 100 ]; do
  left=$(members | sort -u | tr '\\n' ' ')
  if [ -z "$left" ]; then
    empty=$((empty + 1))
    continue
  fi
  empty=0
  : "\${first:=$left}"
  kill -s KILL $left 2>/dev/null
  tries=$((tries + 1))
  sleep 0.1
done
if [ -n "$left" ]; then echo "still alive on $(uname -n) 10 s after KILL: $left"
elif [ -n "$first" ]; then echo "Slurm called the job over while processes of it lived on $(uname -n); killed: $first"
fi
`;

/**
 * Prints \`swept\` when the script of the job has seen that nothing was left, \`never\` when no program was started,
 * \`elsewhere\` when it ran on another node; sweeps when it ran here. Arguments: attempt directory, id.
 */
const SWEEP_SCRIPT = `
${PROCESSES}
dir=$1 attempt=$2
if [ -e "$dir/swept" ] && [ -z "$(tr -d ' \\n' < "$dir/swept")" ]; then echo swept; exit 0; fi
load "$dir/pid.lock/supervisor"
[ -n "$boot" ] || { echo never; exit 0; }
[ "$boot" = "$now_boot" ] || { echo elsewhere; exit 0; }
load "$dir/pid"
found_left=$(
${KILL_LEFT}
)
echo "\${found_left:-swept}"
`;

/** The same as a step of a small job on the node where it ran; gives up when the node has no room at once. */
const SWEEP_THERE_SCRIPT = `
node=$(cat "$1/node") || exit 1
srun --quiet --nodelist="$node" --nodes=1 --ntasks=1 --time=2 --immediate=20 --job-name="sweep-$2" sh -c "$3" sweep "$1" "$2" || {
  code=$?
  echo "$node"
  exit "$code"
}
`;

/** What the node runs: arguments attempt directory and id. */
const NODE_SWEEP = `${PROCESSES}
dir=$1 attempt=$2
load "$dir/pid"
${KILL_LEFT}`;
