import { MAKE_CGROUP, OWN_CGROUP } from './cgroup-scripts.ts';
import { ENDING } from './ending-scripts.ts';
import { OTHERS } from './fence-script.ts';
import { PROCESSES } from './processes-script.ts';
import { RUN_NOTES } from './run-notes.ts';
import { WATCH } from './unwatched-guard.ts';

/**
 * What runs on a host, in POSIX sh with /proc. All of it may be run again after a result was lost: what starts
 * something is decided by one `mkdir`.
 */

/** Makes the working directory, and says what there is. Argument: the directory, perhaps with "~". */
export const PROBE_SCRIPT = `
[ -r /proc/sys/kernel/random/boot_id ] || { echo "the host is no Linux: it has no /proc" >&2; exit 69; }
case $1 in
'~') base=$HOME ;;
'~/'*) base=$HOME/\${1#'~/'} ;;
/*) base=$1 ;;
*) base=$HOME/$1 ;;
esac
mkdir -p "$base/attempts" "$base/code" "$base/platform_metrics" && cd "$base" || exit 73
chmod 700 attempts
for tool in base64 mkdir mv stat tail head find grep sed tar; do
  command -v "$tool" > /dev/null 2>&1 || { echo "the host has no $tool" >&2; exit 69; }
done
pwd -P
`;

/** Prints a directory of the host as an absolute path. Argument: the directory, perhaps with "~". */
export const RESOLVE_SCRIPT = `
case $1 in
'~') dir=$HOME ;;
'~/'*) dir=$HOME/\${1#'~/'} ;;
*) dir=$1 ;;
esac
cd "$dir" && pwd
`;

/**
 * Starts an attempt, at most once. Arguments: attempt directory, directory of the shared metrics, working
 * directory, conda environment or "", attempt id, run, number of the attempt, seconds for which it may go on without
 * an agent (0: for ever) and of grace, names of the metrics and status file of the run, and more pairs of names that
 * lead to the same. Prints the pid of the program, once there is one. Input: sh that exports the environment, sets
 * trainyard_params, trainyard_supervisor, trainyard_guard and the words of the command, and ends with
 * trainyard_complete=yes.
 *
 * Exit codes: 64 the input is not whole, 65 no such conda environment, 66 no such working directory, 67 a later
 * attempt of the run was started on this host, 73 the directory cannot be made.
 */
export const LAUNCH_SCRIPT = `
${PROCESSES}
dir=$1 shared=$2 work=$3 conda=$4 attempt=$5 run=$6 number=$7 unwatched=$8 grace=$9
shift 9
metrics=$1 status=$2
shift 2
${RUN_NOTES}
${OTHERS}
${WATCH}
payload=$(cat)
case $payload in *trainyard_complete=yes) ;; *) echo "the start arrived incomplete" >&2; exit 64 ;; esac
usual_umask=$(umask)
umask 077
mkdir -p "$dir/metrics" "$shared" || exit 73
if [ ! -e "$dir/pid.lock" ]; then
  note_attempt && refuse_when_newer || exit $?
  tools=$PATH
  cd "$work" || exit 66
  if [ -n "$conda" ]; then
    tool=$(command -v conda) || for tool in "$CONDA_EXE" "$HOME"/miniconda3/bin/conda "$HOME"/anaconda3/bin/conda \\
      "$HOME"/miniforge3/bin/conda "$HOME"/mambaforge/bin/conda /opt/conda/bin/conda; do
      [ -x "$tool" ] && break
    done
    [ -x "$tool" ] || { echo "conda was not found on the host" >&2; exit 65; }
    activation=$("$tool" shell.posix activate "$conda") || exit 65
    eval "$activation"
  fi
  link() { ln -sfn "../attempts/$attempt/metrics/$2" "$shared/$1"; }
  link "$metrics" "$metrics"
  link "$status" "$status"
  while [ $# -ge 2 ]; do
    link "$1" "$metrics"
    link "$2" "$status"
    shift 2
  done
  # Before the job has a say in the environment.
  guarded_by=$unwatched ended_after=$grace
  eval "$payload" || exit 64
  printf %s "$trainyard_params" > "$dir/params.json.$$" && mv -f "$dir/params.json.$$" "$dir/params.json" || exit 73
  printf %s "$trainyard_supervisor" > "$dir/supervisor.$$" && mv -f "$dir/supervisor.$$" "$dir/supervisor.sh" || exit 73
  printf %s "$trainyard_guard" > "$dir/guard.$$" && mv -f "$dir/guard.$$" "$dir/guard.sh" || exit 73
  (watch "$guarded_by" "$ended_after" "$tools")
${MAKE_CGROUP}
  umask "$usual_umask"
  detach=nohup
  command -v setsid > /dev/null 2>&1 && detach=setsid
  program_path=$PATH
  PATH=$tools
  TRAINYARD_CGROUP=$cgroup "$detach" sh "$dir/supervisor.sh" "$dir/pid" "$dir/exit.json" "$dir/output.log" "$attempt" "$program_path" "$@" \\
    < /dev/null > /dev/null 2>&1 &
fi
tries=0
until [ -e "$dir/pid" ] || [ -e "$dir/exit.json" ] || [ -e "$dir/pid.lock/prevented" ] || [ "$tries" -ge 100 ]; do
  tries=$((tries + 1))
  sleep 0.1 2>/dev/null || sleep 1
done
[ -r "$dir/pid" ] && read -r boot pid start < "$dir/pid" && echo "$pid"
:
`;

/**
 * Prints how an attempt stands and what its files have more than is known, and notes that it was looked at. Arguments:
 * attempt directory, id, seconds for which it may go on without that (0: for ever) and of grace, then six for each
 * file: name, identity and offset that are known, most bytes to send, and two paths, of which the first counts unless
 * it is missing or a link.
 */
export const POLL_SCRIPT = `
${PROCESSES}
${WATCH}
dir=$1 attempt=$2 unwatched=$3 grace=$4
shift 4
# Without that no guard would be needed: nothing was started here, or its end is known.
if [ -e "$dir/guard.sh" ] && [ ! -e "$dir/exit.json" ]; then watch "$unwatched" "$grace" "$PATH"; fi
lock=no
if [ -e "$dir/pid.lock/prevented" ]; then lock=prevented; elif [ -e "$dir/pid.lock" ]; then lock=yes; fi
load "$dir/pid.lock/supervisor"
supervisor=$(standing)
known_boot=$boot
load "$dir/pid"
program=$(standing)
echo "state $lock $program \${pid:-0} $supervisor \${boot:-\${known_boot:-none}} $now_boot $(date +%s)"
if [ -e "$dir/unwatched" ]; then echo 'unwatched yes'; else echo 'unwatched no'; fi
exit=
[ -e "$dir/exit.json" ] && { read -r exit < "$dir/exit.json"; } 2>/dev/null
echo "exit \${exit:-none}"
oom=
[ -r "$dir/cgroup" ] && read -r cgroup < "$dir/cgroup" && oom=$(sed -n 's/^oom_kill //p' "$cgroup/memory.events" 2>/dev/null)
echo "oom \${oom:-none}"
facts() { stat -L -c '%i:%W %s' "$1" 2>/dev/null || stat -L -c '%i: %s' "$1" 2>/dev/null; }
piece() {
  name=$1 known=$2 offset=$3 most=$4 file=
  if [ -f "$5" ] && [ ! -L "$5" ]; then file=$5; elif [ -f "$6" ]; then file=$6; fi
  info=
  [ -n "$file" ] && info=$(facts "$file")
  [ -n "$info" ] || { echo "file $name none 0 0 0"; return; }
  id=\${info% *} size=\${info##* }
  if [ "$known" != none ] && [ "$known" != "$id" ]; then
    # It was renamed, perhaps with bytes that nobody has read yet.
    old=$(find "\${file%/*}/." -maxdepth 1 -inum "\${known%%:*}" 2>/dev/null | head -n 1)
    info=
    [ -n "$old" ] && info=$(facts "$old")
    if [ "\${info% *}" = "$known" ] && [ "\${info##* }" -gt "$offset" ]; then
      file=$old id=$known size=\${info##* }
    else
      offset=0
    fi
  elif [ "$size" -lt "$offset" ]; then
    offset=0
  fi
  length=$((size - offset))
  [ "$length" -gt "$most" ] && length=$most
  echo "file $name $id $size $offset $length"
  [ "$length" -gt 0 ] && tail -c "+$((offset + 1))" "$file" | head -c "$length"
  echo
}
while [ $# -ge 6 ]; do
  piece "$1" "$2" "$3" "$4" "$5" "$6"
  shift 6
done
`;

/**
 * Sends a signal to the group of the program. Arguments: attempt directory, id, and `TERM`, `KILL`, `STOP` or
 * `CONT`. Prints `ended`, `prevented` (it was not started, and never will be), `starting`, `gone` or `sent`.
 */
export const SIGNAL_SCRIPT = `
${PROCESSES}
dir=$1 attempt=$2 signal=$3
[ -e "$dir/exit.json" ] && { echo ended; exit 0; }
mkdir -p "$dir"
if mkdir "$dir/pid.lock" 2>/dev/null; then
  : > "$dir/pid.lock/prevented"
fi
[ -e "$dir/pid.lock/prevented" ] && { echo prevented; exit 0; }
load "$dir/pid"
if [ -z "$pid" ]; then
  load "$dir/pid.lock/supervisor"
  if [ -n "$pid" ] && ! is_alive; then echo gone; else echo starting; fi
  exit 0
fi
[ "$boot" = "$now_boot" ] || { echo gone; exit 0; }
look "$pid"
[ -z "$found" ] || [ "$found" = "$start" ] || { echo gone; exit 0; }
${OWN_CGROUP}
kill -s 0 -- "-$pid" 2>/dev/null || { echo gone; exit 0; }
if [ -n "$cgroup" ]; then
  case $signal in
  STOP)
    echo 1 > "$cgroup/cgroup.freeze"
    tries=0
    until grep -q '^frozen 1' "$cgroup/cgroup.events"; do
      tries=$((tries + 1))
      [ "$tries" -le 50 ] || { echo 0 > "$cgroup/cgroup.freeze"; echo "not all processes stood still" >&2; exit 75; }
      sleep 0.1 2>/dev/null || sleep 1
    done
    echo sent
    exit 0
    ;;
  KILL) [ -e "$cgroup/cgroup.kill" ] && echo 1 > "$cgroup/cgroup.kill" ;;
  esac
fi
kill -s "$signal" -- "-$pid" 2>/dev/null
# Those that have left the group are stopped, too, and go on with it.
case $signal in STOP | CONT) kill -s "$signal" $(members | sort -u) 2>/dev/null ;; esac
# A stopped process acts on TERM only after it goes on.
[ "$signal" = TERM ] && kill -s CONT -- "-$pid" 2>/dev/null
[ "$signal" != STOP ] && [ -n "$cgroup" ] && echo 0 > "$cgroup/cgroup.freeze"
echo sent
`;

/** Prints how many processes of the attempt live. Arguments: attempt directory, id. */
export const COUNT_SCRIPT = `
${PROCESSES}
attempt=$2
load "$1/pid"
members | sort -u | grep -c . || :
`;

/**
 * Kills everything that is left of an attempt until two looks in a row find nothing. Arguments: attempt directory,
 * id. Exit code 1 when something does not die; it is printed.
 */
export const SWEEP_SCRIPT = `
${PROCESSES}
${ENDING}
dir=$1 attempt=$2
load "$dir/pid"
[ -n "$pid" ] && [ "$boot" != "$now_boot" ] && exit 0
own_cgroup
sweep || { echo "$left"; exit 1; }
`;
