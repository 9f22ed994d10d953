import { RUN_NOTES } from '../remote/run-notes.ts';
import { JOBS, PLAIN_ENVIRONMENT } from './slurm-scripts.ts';

/**
 * Hands attempts to Slurm as the tasks of one array, each unless Slurm has it. Arguments: directory of the array,
 * directory of the shared metrics, name of the array, and the arguments of sbatch. Input: sh that sets
 * trainyard_supervisor, trainyard_job, trainyard_array and trainyard_program (what all of them export),
 * trainyard_tasks, a function that calls "task" for each of them, trainyard_own, one that exports what they do not
 * have in common, and ends with trainyard_complete=yes.
 *
 * Exit codes as those of the submit of one attempt. May be run again: what was handed over is found by its name.
 */
export const SUBMIT_ARRAY_SCRIPT = `
${JOBS}
${RUN_NOTES}
array_dir=$1 shared=$2 array_name=$3
shift 3
payload=$(cat)
case $payload in *trainyard_complete=yes) ;; *) echo "the start arrived incomplete" >&2; exit 64 ;; esac
eval "$payload" || exit 64
usual_umask=$(umask)
umask 077
mkdir -p "$shared" "$array_dir" || exit 73
put() { printf %s "$2" > "$1.$$" && mv -f "$1.$$" "$1"; }
names=$array_name
task() {
  dir=$2 attempt=$3
  names=$names,$(names_of)
}
trainyard_tasks
known=$(list "$names") || exit 75
indices=
# Arguments: index, attempt directory, id, run, number of the attempt, working directory, params, what the node is to
# run, names of metrics and status files in pairs.
task() {
  index=$1 dir=$2 attempt=$3 run=$4 number=$5 work=$6 params=$7 text=$8
  shift 8
  [ -e "$dir/slurm-job" ] && return
  mkdir -p "$dir/metrics" || exit 73
  id=$(pick "$known")
  [ -n "$id" ] && { keep "$id"; return; }
  [ -e "$dir/pid.lock" ] && return
  note_attempt || { [ "$?" -eq 67 ] || exit 73; prevent "$dir"; return; }
  [ -e "$dir/pid.lock" ] && return
  (cd "$work") || exit 66
  first_metrics=$1 first_status=$2
  while [ $# -ge 2 ]; do
    ln -sfn "../attempts/$attempt/metrics/$first_metrics" "$shared/$1"
    ln -sfn "../attempts/$attempt/metrics/$first_status" "$shared/$2"
    shift 2
  done
  put "$dir/params.json" "$params" && put "$dir/supervisor.sh" "$trainyard_supervisor" || exit 73
  put "$dir/job.sh" "$trainyard_job" && put "$dir/task.sh" "$text" && ln -sfn "$dir" "$array_dir/$index" || exit 73
  # Before the submit: by this it is found again when the answer is lost.
  echo "$array_name $index" >> "$dir/slurm-array" || exit 73
  indices=$indices,$index
}
trainyard_tasks
[ -n "$indices" ] || exit 0
put "$array_dir/array.sh" "$trainyard_array" || exit 73
umask "$usual_umask"
${PLAIN_ENVIRONMENT}
export TRAINYARD_PROGRAM="$trainyard_program"
trainyard_own
id=$(sbatch --array="\${indices#,}" "$@") || exit 69
for index in $(echo "$indices" | tr , ' '); do
  dir=$array_dir/$index
  keep "\${id%%;*}_$index"
done
`;

/**
 * One task of an array, as Slurm runs it on a node: becomes the job of its attempt. Argument: directory of the
 * array. The file task.sh of the attempt sets the arguments of the job, and trainyard_task to what only its program
 * has.
 */
export const ARRAY_SCRIPT = `#!/bin/sh
trainyard_index=$SLURM_ARRAY_TASK_ID
trainyard_dir=$(cd -P "$1/$trainyard_index" && pwd) || exit 75
. "$trainyard_dir/task.sh"
eval "trainyard_own=\\$TRAINYARD_PROGRAM_$trainyard_index"
for trainyard_name in $(env | sed -n 's/^\\(TRAINYARD_PROGRAM_[0-9]*\\)=.*/\\1/p'); do unset "$trainyard_name"; done
export TRAINYARD_PROGRAM="$TRAINYARD_PROGRAM$trainyard_own$trainyard_task"
exec sh "$trainyard_dir/job.sh" "$@"
`;

/** Forgets a task of an array that is over, and the array with its last one. Argument: attempt directory. */
export const FORGET_TASK_SCRIPT = `
[ -s "$1/slurm-array" ] || exit 0
while read -r array task; do
  array_dir=$1/../../arrays/$array
  rm -f "$array_dir/$task"
  [ "$(ls "$array_dir" 2>/dev/null)" = array.sh ] && rm -r "$array_dir"
done < "$1/slurm-array"
:
`;

/** Prints the arrays of an attempt, a line each with name and index. Argument: attempt directory. */
export const PLACES_SCRIPT = '[ ! -s "$1/slurm-array" ] || cat "$1/slurm-array"';

/** Prints how many tasks an array may have. Exit code 75: no answer. */
export const ARRAY_LIMIT_SCRIPT = `config=$(scontrol show config) || exit 75
echo "$config" | sed -n 's/^MaxArraySize *= *\\([0-9]*\\).*/\\1/p'`;
