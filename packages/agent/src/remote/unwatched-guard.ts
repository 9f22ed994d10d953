import { ENDING } from './ending-scripts.ts';
import { PROCESSES } from './processes-script.ts';

/**
 * The guard of one attempt on a host, in a session of its own, which outlives the connection and the agent. Ends the
 * attempt when no agent has looked at it for the time that the last one named, by the host's own uptime. Arguments:
 * attempt directory, id, seconds of grace.
 *
 * It ends when nothing of the attempt lives, when no limit holds any more, when another guard is in charge, or when the
 * directory is gone. A host that stood still, or slept, gives the agent the whole time anew.
 */
export const UNWATCHED_GUARD_SCRIPT = `
${PROCESSES}
${ENDING}
dir=$1 attempt=$2 grace=$3
umask 077
look $$
echo "$now_boot $$ $found" > "$dir/guard.tmp.$$" && mv -f "$dir/guard.tmp.$$" "$dir/guard" || exit 73
read -r now _ < /proc/uptime
now=\${now%.*} heard=\${now%.*} limit=60
while :; do
  before=$now
  read -r now _ < /proc/uptime
  now=\${now%.*}
  read -r _ charge _ < "$dir/guard" && [ "$charge" = "$$" ] || exit 0
  { read -r at given < "$dir/heard"; } 2>/dev/null && [ -n "$given" ] && limit=$given && [ "$at" -gt "$heard" ] && heard=$at
  [ "$limit" -gt 0 ] || exit 0
  every=$((limit / 10))
  [ "$every" -gt 30 ] && every=30
  [ "$every" -lt 1 ] && every=1
  [ "$((now - before))" -gt "$((every + 60))" ] && heard=$now
  load "$dir/pid"
  own_cgroup
  if [ -e "$dir/pid.lock/prevented" ] || { [ -n "$pid" ] && [ -z "$(living)" ]; }; then exit 0; fi
  if [ "$((now - heard))" -ge "$limit" ]; then
    # Before the signal, so that this end is never taken for one by the program itself.
    [ -z "$pid" ] || [ -e "$dir/exit.json" ] || : > "$dir/unwatched"
    end_attempt "$grace"
    exit 0
  fi
  sleep "$every"
done
`;

/**
 * Sh that notes that an agent looks at the attempt in \`$dir\`, and sees to it that the guard runs which is in guard.sh
 * there; needs PROCESSES. \`watch LIMIT GRACE PATH\`, both in seconds; a limit of 0 ends a guard.
 */
export const WATCH = `
watch() {
  [ "$1" -gt 0 ] || [ -e "$dir/heard" ] || return 0
  read -r uptime _ < /proc/uptime
  echo "\${uptime%.*} $1" > "$dir/heard"
  [ "$1" -gt 0 ] || return 0
  load "$dir/guard"
  is_alive && return 0
  apart=nohup
  command -v setsid > /dev/null 2>&1 && apart=setsid
  # Nothing of the attempt's own environment, by which it would be taken for a part of it.
  env -i PATH="$3" "$apart" sh "$dir/guard.sh" "$dir" "$attempt" "$2" < /dev/null > /dev/null 2>&1 &
}
`;
