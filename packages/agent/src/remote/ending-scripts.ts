import { OWN_CGROUP } from './cgroup-scripts.ts';

/**
 * Sh that ends what lives of the attempt in `$dir` with the id `$attempt`; needs PROCESSES. Both functions fail when
 * something does not die, which is then in `left`.
 *
 * - `sweep` kills until two looks in a row find nothing.
 * - `end_attempt SECONDS` asks first, and waits so long.
 */
export const ENDING = `
own_cgroup() {
${OWN_CGROUP}
}
living() {
  {
    members
    [ -n "$cgroup" ] && grep -q '^populated 1' "$cgroup/cgroup.events" 2>/dev/null && cat "$cgroup/cgroup.procs"
  } | sort -u | tr '\\n' ' '
}
sweep() {
  tries=0 empty=0
  while [ "$empty" -lt 2 ]; do
    left=$(living)
    if [ -z "$left" ]; then
      empty=$((empty + 1))
      continue
    fi
    empty=0
    [ "$tries" -ge 100 ] && return 1
    [ -n "$cgroup" ] && [ -e "$cgroup/cgroup.kill" ] && echo 1 > "$cgroup/cgroup.kill"
    kill -s KILL $left 2>/dev/null
    tries=$((tries + 1))
    sleep 0.1 2>/dev/null || sleep 1
  done
  [ -n "$cgroup" ] && rmdir "$cgroup" 2>/dev/null
  :
}
end_attempt() {
  load "$dir/pid"
  own_cgroup
  left=$(living)
  if [ -n "$left" ]; then
    kill -s TERM $left 2>/dev/null
    # A stopped process acts on TERM only after it goes on.
    kill -s CONT $left 2>/dev/null
    [ -n "$cgroup" ] && echo 0 > "$cgroup/cgroup.freeze"
    waited=0
    until [ "$waited" -ge "$1" ] || [ -z "$(living)" ]; do
      waited=$((waited + 1))
      sleep 1
    done
  fi
  sweep
}
`;
