import { PROCESSES } from '../remote/processes-script.ts';
import { RUN_NOTES } from '../remote/run-notes.ts';

/**
 * The job as Slurm runs it on a node, in POSIX sh with /proc: starts the supervisor, hands signals on to the
 * program, and kills what it leaves. Arguments: attempt directory, working directory, conda environment or "",
 * attempt id, seconds of grace, number of GPUs. The environment of the program is in TRAINYARD_PROGRAM.
 *
 * - Slurm signals this shell only (--signal=B:). The file "cancel" says that we did, "kill" that the grace is over.
 * - USR2 is ours: the file "wish" says whether the program is to stop or to go on, "wish-done" that it does.
 * - \`wait\` ends when a signal comes; whether the supervisor has ended tells kill -0.
 */
export const JOB_SCRIPT = `#!/bin/sh
${PROCESSES}
# On each node of a job that has several: "halt", STOP or CONT, attempt directory and id.
if [ "$1" = halt ]; then
  dir=$3 attempt=$4 tries=0
  load "$dir/pid"
  while kill -s "$2" $(members | sort -u) 2>/dev/null; do
    going=
    [ "$2" = CONT ] || for pid_now in $(members | sort -u); do
      look "$pid_now"
      case $state in T | t | '') ;; *) going="$going $pid_now" ;; esac
    done
    [ -n "$going" ] || break
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || { echo "still goes on: $going" >&2; exit 75; }
    sleep 0.1
  done
  echo "$2 $SLURMD_NODENAME" >> "$dir/halts"
  exit 0
fi
dir=$1 work=$2 conda=$3 attempt=$4 grace=$5 gpus=$6
program=$TRAINYARD_PROGRAM
unset TRAINYARD_PROGRAM
node_gpus=$CUDA_VISIBLE_DEVICES
told=
hand_on() {
  told=$(date +%s)
  word=TERM
  if [ -e "$dir/kill" ]; then word=KILL; elif [ ! -e "$dir/cancel" ]; then echo "$told" > "$dir/signalled"; fi
  tries=0
  load "$dir/pid"
  while [ -z "$pid" ] && [ ! -e "$dir/exit.json" ] && [ "$tries" -lt 50 ]; do
    tries=$((tries + 1))
    sleep 0.1
    load "$dir/pid"
  done
  [ -n "$pid" ] || return 0
  kill -s "$word" -- "-$pid" 2>/dev/null
  # A stopped process acts on TERM only after it goes on.
  kill -s CONT -- "-$pid" 2>/dev/null
}
trap hand_on TERM
halt_or_go() {
  { read -r wish < "$dir/wish"; } 2>/dev/null || return 0
  load "$dir/pid"
  [ -n "$pid" ] || return 0
  kill -s "\${wish%% *}" -- "-$pid" 2>/dev/null
  # Those that have left the group, and what they have made meanwhile.
  for look in 1 2; do kill -s "\${wish%% *}" $(members | sort -u) 2>/dev/null; done
  [ "\${SLURM_JOB_NUM_NODES:-1}" -le 1 ] || on_all_nodes || return 0
  answer
}
# A small step beside those of the program; without an answer of all nodes the wish is not answered either.
on_all_nodes() {
  timeout 15 srun --quiet --overlap --immediate=10 --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" \\
    --ntasks-per-node=1 --cpus-per-task=1 --mem=0 --gres=none --kill-on-bad-exit=0 \\
    sh "$dir/job.sh" halt "\${wish%% *}" "$dir" "$attempt" < /dev/null >> "$dir/slurm.out" 2>&1
}
answer() { echo "$wish" > "$dir/wish-done.tmp" && mv -f "$dir/wish-done.tmp" "$dir/wish-done"; }
trap halt_or_go USR2
refuse() {
  mkdir "$dir/pid.lock" 2>/dev/null || exit 75
  echo "trainyard: $1 on $(uname -n)" >> "$dir/output.log"
  : > "$dir/swept"
  printf '{"exitCode":%d,"endedAt":%d}\\n' 126 "$(date +%s)" > "$dir/exit.json.tmp"
  mv -f "$dir/exit.json.tmp" "$dir/exit.json"
  exit 126
}
uname -n > "$dir/node"
cd "$work" || refuse "there is no working directory $work"
if [ -n "$conda" ]; then
  tool=$(command -v conda) || for tool in "$CONDA_EXE" "$HOME"/miniconda3/bin/conda "$HOME"/anaconda3/bin/conda \\
    "$HOME"/miniforge3/bin/conda "$HOME"/mambaforge/bin/conda /opt/conda/bin/conda; do
    [ -x "$tool" ] && break
  done
  [ -x "$tool" ] || refuse "conda was not found"
  activation=$("$tool" shell.posix activate "$conda") || refuse "the conda environment $conda could not be activated"
  eval "$activation"
fi
# It may have been paused before it began.
while { read -r wish < "$dir/wish"; } 2>/dev/null; do
  answer
  [ -z "$told" ] && [ "\${wish%% *}" = STOP ] || break
  sleep 0.5
done
[ -z "$told" ] || exit 75
detach=nohup
command -v setsid > /dev/null 2>&1 && detach=setsid
(
  # The job may have variables of any name; these only it would not have.
  trainyard_dir=$dir trainyard_attempt=$attempt trainyard_detach=$detach trainyard_gpus=$gpus
  trainyard_node_gpus=$node_gpus trainyard_tools=$PATH
  eval "$program" || exit 126
  # A GPU belongs to the job to which Slurm gave it.
  if [ "$trainyard_gpus" -eq 0 ]; then
    export CUDA_VISIBLE_DEVICES=
  elif [ -n "$trainyard_node_gpus" ]; then
    export CUDA_VISIBLE_DEVICES="$trainyard_node_gpus"
  fi
  trainyard_path=$PATH
  PATH=$trainyard_tools
  exec "$trainyard_detach" sh "$trainyard_dir/supervisor.sh" "$trainyard_dir/pid" "$trainyard_dir/exit.json" \\
    "$trainyard_dir/output.log" "$trainyard_attempt" "$trainyard_path" "$@" < /dev/null > /dev/null 2>&1
) &
supervisor=$!
while kill -0 "$supervisor" 2>/dev/null; do wait "$supervisor"; done
if [ -e "$dir/pid.lock/prevented" ]; then exit 75; fi
load "$dir/pid"
# What the program has left has the rest of the grace time.
if [ -n "$told" ]; then
  until [ -e "$dir/kill" ] || [ "$(($(date +%s) - told))" -ge "$grace" ] || [ -z "$(members)" ]; do sleep 0.2; done
fi
tries=0 empty=0
while [ "$empty" -lt 2 ] && [ "$tries" -lt 100 ]; do
  left=$(members | sort -u | tr '\\n' ' ')
  if [ -z "$left" ]; then
    empty=$((empty + 1))
    continue
  fi
  empty=0
  kill -s KILL $left 2>/dev/null
  tries=$((tries + 1))
  sleep 0.1
done
echo "$left" > "$dir/swept.tmp" && mv -f "$dir/swept.tmp" "$dir/swept"
code=70
[ -e "$dir/exit.json" ] && read -r line < "$dir/exit.json" && code=\${line#*:} && code=\${code%%,*}
exit "$code"
`;

/**
 * Finds the jobs of an attempt: those of its own name, and tasks of arrays, as the file slurm-array lists them by
 * name and index. Needs \`dir\` and \`attempt\`; \`states\` leaves jobs of other states out.
 */
export const JOBS = `
keep() { echo "$1" > "$dir/slurm-job.tmp" && mv -f "$dir/slurm-job.tmp" "$dir/slurm-job"; }
# Lists all jobs of the names in "$1", comma-separated, each task of an array for itself.
list() { squeue -h -r -t "\${states:-all}" -u "$(id -un)" --name="$1" -o '%F|%K|%j'; }
names_of() {
  printf %s "$attempt"
  [ -s "$dir/slurm-array" ] || return 0
  while read -r array task; do printf ',%s' "$array"; done < "$dir/slurm-array"
}
# Of such a list in "$1" those of the attempt, as scancel takes them.
pick() {
  [ -n "$1" ] || return 0
  echo "$1" | sed -n "s/^\\([0-9]*\\)|.*|$attempt$/\\1/p"
  [ -s "$dir/slurm-array" ] || return 0
  while read -r array task; do
    echo "$1" | sed -n "s/^\\([0-9]*\\)|$task|$array$/\\1_$task/p"
  done < "$dir/slurm-array"
}
# Fails when Slurm does not answer.
jobs_of_attempt() { listed=$(list "$(names_of)") && pick "$listed"; }
`;

/** Keeps options of an outer job and GPUs of this machine away from a job that is submitted. */
export const PLAIN_ENVIRONMENT = `
for name in $(env | sed -n 's/^\\(SBATCH_[A-Z0-9_]*\\|SLURM_[A-Z0-9_]*\\)=.*/\\1/p'); do
  [ "$name" = SLURM_CONF ] || unset "$name"
done
unset CUDA_VISIBLE_DEVICES
`;

/** The user's jobs of these names (comma-separated, "$1") in the format "$2". Exit code 75: no answer. */
export const ROWS_SCRIPT = 'squeue -h -r -t all -u "$(id -un)" --name="$1" -o "$2" || exit 75';

/**
 * Hands an attempt to Slurm unless it has it. Arguments: attempt directory, directory of the shared metrics,
 * working directory, attempt id, run, number of the attempt, number of names that follow, names of metrics and status files in pairs, and the
 * arguments of sbatch. Input: sh that sets trainyard_params, trainyard_supervisor, trainyard_job and
 * trainyard_program, and ends with trainyard_complete=yes.
 *
 * Exit codes: 64 the input is not whole, 66 no such working directory, 67 a later attempt of the run was handed
 * over, 69 Slurm said no, 73 the directory cannot be made, 75 Slurm gave no answer before anything was handed over.
 */
export const SUBMIT_SCRIPT = `
${JOBS}
dir=$1 shared=$2 work=$3 attempt=$4 run=$5 number=$6 names=$7
shift 7
${RUN_NOTES}
payload=$(cat)
case $payload in *trainyard_complete=yes) ;; *) echo "the start arrived incomplete" >&2; exit 64 ;; esac
[ -e "$dir/slurm-job" ] && exit 0
known=$(jobs_of_attempt) || exit 75
usual_umask=$(umask)
umask 077
mkdir -p "$dir/metrics" "$shared" || exit 73
[ -n "$known" ] && { keep "$known"; exit 0; }
[ -e "$dir/pid.lock" ] && exit 0
note_attempt || exit $?
[ -e "$dir/pid.lock" ] && exit 0
(cd "$work") || exit 66
eval "$payload" || exit 64
first_metrics=$1 first_status=$2
while [ "$names" -ge 2 ]; do
  ln -sfn "../attempts/$attempt/metrics/$first_metrics" "$shared/$1"
  ln -sfn "../attempts/$attempt/metrics/$first_status" "$shared/$2"
  names=$((names - 2))
  shift 2
done
put() { printf %s "$2" > "$dir/$1.$$" && mv -f "$dir/$1.$$" "$dir/$1"; }
put params.json "$trainyard_params" && put supervisor.sh "$trainyard_supervisor" && put job.sh "$trainyard_job" || exit 73
umask "$usual_umask"
${PLAIN_ENVIRONMENT}
export TRAINYARD_PROGRAM="$trainyard_program"
id=$(sbatch "$@") || exit 69
keep "\${id%%;*}"
`;

/** Exit code 0: Slurm or the directory of the attempt has it; 1: neither; 75: no answer. */
export const KNOWS_SCRIPT = `
${JOBS}
dir=$1 attempt=$2
[ -e "$dir/slurm-job" ] && exit 0
known=$(jobs_of_attempt) || exit 75
[ -n "$known" ]
`;

/** Takes the jobs of an attempt from Slurm, whatever they are at. Arguments: attempt directory, id. */
export const REMOVE_SCRIPT = `
${JOBS}
dir=$1 attempt=$2
ids=$(jobs_of_attempt) || exit 75
[ -z "$ids" ] || scancel --quiet $ids || exit 75
`;

/**
 * Stops an attempt where it is, or lets it go on; one that still waits in Slurm is held back there. Arguments:
 * attempt directory, id, STOP or CONT. Prints \`ended\`, \`prevented\`, \`gone\` or, when it is done, \`sent\`. Exit
 * code 75: Slurm did not answer; 70: the script of the job did not, and a stop is taken back.
 */
export const HALT_SCRIPT = `
${JOBS}
dir=$1 attempt=$2
[ -e "$dir/exit.json" ] && { echo ended; exit 0; }
[ -e "$dir/pid.lock/prevented" ] && { echo prevented; exit 0; }
ask() {
  wish="$1 $(date +%s)-$$"
  echo "$wish" > "$dir/wish.tmp" && mv -f "$dir/wish.tmp" "$dir/wish"
}
# Before its first line is there, the script would be killed by it.
wake() { [ ! -e "$dir/node" ] || scancel --quiet --state=RUNNING --batch --signal=USR2 $ids || exit 75; }
ask "$3"
if [ ! -e "$dir/node" ]; then
  waiting=$(states=PENDING; jobs_of_attempt) || exit 75
  for id in $waiting; do
    # Should it begin all the same, its script waits before the program.
    if [ "$3" = STOP ]; then scontrol uhold "$id" 2>/dev/null; else scontrol release "$id" || exit 75; fi
  done
  [ -n "$waiting" ] && [ ! -e "$dir/node" ] && { echo sent; exit 0; }
fi
ids=$(states=RUNNING; jobs_of_attempt) || exit 75
[ -n "$ids" ] || { echo gone; exit 0; }
tries=0
until [ "$(cat "$dir/wish-done" 2>/dev/null)" = "$wish" ]; do
  [ -e "$dir/exit.json" ] && { echo ended; exit 0; }
  [ "$((tries % 25))" -eq 0 ] && wake
  if [ "$tries" -ge 100 ]; then
    ask CONT
    wake
    echo "the script of the job does not answer on its node" >&2
    exit 70
  fi
  tries=$((tries + 1))
  sleep 0.2
done
echo sent
`;

/** Exit code 0: the script of the job has seen that it leaves nothing. Argument: attempt directory. */
export const SWEPT_SCRIPT = '[ -e "$1/swept" ] && [ -z "$(tr -d " \\n" < "$1/swept")" ]';
