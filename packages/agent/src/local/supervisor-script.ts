/**
 * The supervisor: a POSIX sh script that the agent starts in its own session and that outlives the agent.
 * It runs the program in a second session as a foreground child, appends its output to a file, and writes
 * how it ended. It needs only sh, mkdir, mv, date and one of setsid, perl and python3.
 *
 * Arguments: pid file, exit file, output file, attempt id, PATH of the program, and the command.
 * Exit codes: 0 when the end was recorded, 74 when it could not be, 75 when another
 * supervisor has this attempt already.
 *
 * Environment: TRAINYARD_CGROUP, the directory of a cgroup2 that the program is to be put into, if there is one.
 *
 * Why it is written as it is:
 * - A handled signal does not end sh while it waits for a foreground child, and is reset for the child. An
 *   ignored one would stay ignored in the program, so would SIGINT for a background child.
 * - `$!` is not used: the inner sh records its own pid and then becomes the program by exec, so no program
 *   runs whose identity is not on disk.
 * - The marker TRAINYARD_ATTEMPT_ID is set in the inner sh only, so that a sweep for it spares the supervisor.
 * - The redirections stand at a subshell: at a plain command, sh itself would hold them while it waits, and
 *   its notice of a signal ("Terminated") would get into the program's output.
 * - `mkdir` decides who starts when two supervisors are launched for one attempt.
 */
export const SUPERVISOR_SCRIPT = String.raw`
pid_file=$1 exit_file=$2 output=$3 attempt=$4 program_path=$5
shift 5
trap : HUP INT QUIT TERM USR1 USR2 ALRM

functions='
read_boot_id() {
  if [ -r /proc/sys/kernel/random/boot_id ]; then
    read -r boot < /proc/sys/kernel/random/boot_id
  else
    boot=$(sysctl -n kern.bootsessionuuid 2>/dev/null || echo unknown)
  fi
}
read_start_time() {
  if [ -r "/proc/$1/stat" ]; then
    read -r line < "/proc/$1/stat"
    set -- ${'$'}{line##*) }
    shift 19
    started=$1
  else
    started=$(TZ=UTC LC_ALL=C ps -o lstart= -p "$1" | tr -s " " "_" | sed "s/^_//; s/_$//")
  fi
}
print_identity() {
  read_boot_id
  read_start_time $$
  printf "%s %s %s\n" "$boot" "$$" "$started"
}
'
eval "$functions"

mkdir "$pid_file.lock" 2>/dev/null || exit 75
print_identity > "$pid_file.lock/supervisor"

program="$functions"'
[ -z "$TRAINYARD_CGROUP" ] || echo $$ > "$TRAINYARD_CGROUP/cgroup.procs" || exit 126
unset TRAINYARD_CGROUP
print_identity > "$1.tmp" && mv -f "$1.tmp" "$1" || exit 126
PATH=$3 TRAINYARD_ATTEMPT_ID=$2
export PATH TRAINYARD_ATTEMPT_ID
shift 3
exec "$@"
'
set -- sh -c "$program" trainyard "$pid_file" "$attempt" "$program_path" "$@"
if command -v setsid >/dev/null 2>&1; then
  set -- setsid "$@"
elif command -v perl >/dev/null 2>&1; then
  set -- perl -MPOSIX -e 'POSIX::setsid(); exec { $ARGV[0] } @ARGV or exit 127' "$@"
elif command -v python3 >/dev/null 2>&1; then
  set -- python3 -c 'import os,sys; os.setsid(); os.execvp(sys.argv[1], sys.argv[1:])' "$@"
else
  set -- sh -c 'echo "trainyard: this machine has none of setsid, perl and python3; install one" >&2; exit 126'
fi
(exec "$@") < /dev/null >> "$output" 2>&1
code=$?

# A full disk must not lose the exit code: try again for ten minutes, unless the directory is gone.
tries=0
until printf '{"exitCode":%d,"endedAt":%d}\n' "$code" "$(date +%s)" > "$exit_file.tmp" && mv -f "$exit_file.tmp" "$exit_file"; do
  tries=$((tries + 1))
  [ "$tries" -lt 600 ] && [ -d "${'$'}{exit_file%/*}" ] || exit 74
  sleep 1
done
`;
