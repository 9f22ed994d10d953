import { JOBS } from './slurm-scripts.ts';

/**
 * Ends attempts. Input: sh with a function \`each\` that calls \`one\` for each of them with its place, TERM or KILL, its
 * id and its directory, and ends with trainyard_complete=yes. Prints for each its place and \`ended\`, \`prevented\` (it
 * was not started, and never will be), \`sent\` or \`failed\`. Exit codes: 64 the input is not whole, 75 Slurm did not
 * answer.
 *
 * Slurm is asked once and told once, for all of them. Only where it refuses that, it is told of each.
 */
export const CANCEL_SCRIPT = `
${JOBS}
payload=$(cat)
case $payload in *trainyard_complete=yes) ;; *) echo "the cancel arrived incomplete" >&2; exit 64 ;; esac
eval "$payload" || exit 64
ended=' ' names= prevented=
one() {
  attempt=$3 dir=$4
  [ -e "$dir/exit.json" ] && { ended="$ended$1 "; return; }
  mkdir -p "$dir"
  : > "$dir/cancel"
  [ "$2" = KILL ] && : > "$dir/kill"
  mkdir "$dir/pid.lock" 2>/dev/null && : > "$dir/pid.lock/prevented"
  [ -e "$dir/pid.lock/prevented" ] && prevented=yes
  names=$names,$(names_of)
}
each
for place in $ended; do echo "$place ended"; done
[ -n "$names" ] || exit 0
running=$(states=RUNNING; list "\${names#,}") || exit 75
all=$running
[ -z "$prevented" ] || all=$(list "\${names#,}") || exit 75
tell() { scancel --quiet --state=RUNNING --batch --signal=TERM "$@"; }
away() { scancel --quiet "$@"; }
# Sets word to what becomes of an attempt, and ids to its jobs.
judge() {
  attempt=$3 dir=$4
  if [ -e "$dir/pid.lock/prevented" ]; then
    word=prevented ids=$(pick "$all")
  else
    word=sent ids=$(pick "$running")
  fi
}
to_tell= to_take= words=
one() {
  case $ended in *" $1 "*) return ;; esac
  judge "$@"
  if [ "$word" = sent ]; then to_tell="$to_tell $ids"; else to_take="$to_take $ids"; fi
  words="$words$1 $word
"
}
each
if { [ -z "\${to_tell## }" ] || tell $to_tell; } && { [ -z "\${to_take## }" ] || away $to_take; }; then
  printf %s "$words"
  exit 0
fi
one() {
  case $ended in *" $1 "*) return ;; esac
  judge "$@"
  if [ -n "$ids" ]; then
    if [ "$word" = sent ]; then tell $ids; else away $ids; fi || word=failed
  fi
  echo "$1 $word"
}
each
:
`;
