/**
 * The guard of an agent's leases: a POSIX sh script in a session of its own, which outlives the agent. When the agent
 * is gone or stands still beyond the moment by which it should have ended a program, the guard has it ended, before
 * the server may start the next attempt elsewhere.
 *
 * Arguments: the file of leases (lines "attempt centiseconds", by the clock of /proc/uptime), the file that names the guard
 * in charge, pid of the agent, seconds from one look to the next, centiseconds for which a server that is down
 * keeps all safe, and the command that ends programs, to which the ids of attempts are added. Its exit code is 0 when they are
 * ended, 3 when nobody can give their work away.
 *
 * It ends when another guard is in charge, when the file of leases is gone, and when the agent is gone and nothing
 * is left to guard.
 */
export const GUARD_SCRIPT = `
leases=$1 charge=$2 agent=$3 every=$4 safe_for=$5
shift 5
safe_until=0 ended=' ' failures=0
while sleep "$every"; do
  read -r _ pid _ < "$charge" && [ "$pid" = "$$" ] || exit 0
  read -r now _ < /proc/uptime
  now=\${now%.*}\${now#*.} overdue='' waiting=''
  [ -f "$leases" ] || exit 0
  while read -r id until; do
    case $ended in *" $id "*) continue ;; esac
    if [ "$now" -lt "$until" ]; then waiting=1; else overdue="$overdue $id"; fi
  done < "$leases"
  if [ -z "$overdue" ]; then
    [ -n "$waiting" ] || [ -d "/proc/$agent" ] || exit 0
    continue
  fi
  [ "$now" -ge "$safe_until" ] || continue
  "$@" $overdue
  case $? in
    0) ended="$ended\${overdue# } " ;;
    3) safe_until=$((now + safe_for)) ;;
    *) failures=$((failures + 1)); [ "$failures" -lt 10 ] || exit 1 ;;
  esac
done
`;
