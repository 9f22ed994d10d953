/** Reads identities (`bootId pid startTime`) and finds the processes of an attempt. */
export const PROCESSES = `
read -r now_boot < /proc/sys/kernel/random/boot_id
load() { boot= pid= start=; [ -r "$1" ] && read -r boot pid start < "$1"; }
# Sets found to the start time of the process in $1 and state to its state; both are empty when there is none.
look() {
  found= state= line=
  { read -r line < "/proc/$1/stat"; } 2>/dev/null || return 0
  set -- \${line##*) }
  state=$1
  shift 19
  found=$1
}
is_alive() {
  [ -n "$pid" ] && [ "$boot" = "$now_boot" ] || return 1
  look "$pid"
  [ "$found" = "$start" ] && [ "$state" != Z ] && [ "$state" != X ]
}
standing() { if [ -z "$pid" ]; then echo none; elif is_alive; then echo alive; else echo dead; fi; }
# Prints the processes of the session of the program, and those that carry the mark of the attempt.
members() {
  session=none
  if [ -n "$pid" ] && [ "$boot" = "$now_boot" ]; then
    look "$pid"
    # When another process has the pid now, the session tells nothing any more.
    if [ -z "$found" ] || [ "$found" = "$start" ]; then session=$pid; fi
  fi
  for file in /proc/[0-9]*/stat; do
    line=
    { read -r line < "$file"; } 2>/dev/null || continue
    set -- "\${line%% *}" \${line##*) }
    case $2 in Z | X) continue ;; esac
    if [ "$4" = "$session" ] || [ "$5" = "$session" ]; then echo "$1"; fi
  done
  grep -lzxF "TRAINYARD_ATTEMPT_ID=$attempt" /proc/[0-9]*/environ 2>/dev/null | sed 's|^/proc/||; s|/environ$||'
}
`;
