/**
 * Sh by which the attempts of one run know of each other on a host, also when different agents start them. Each notes
 * itself before it looks at the others, so that of two at once one sees the other at least. Needs `dir`, `attempt`,
 * `run` and `number`.
 *
 * `note_attempt` fails, with words on stderr, when a later attempt of the run was noted: then this one is not to start.
 * The others come after it.
 */
export const RUN_NOTES = `
note_attempt() {
  notes=\${dir%/attempts/*}/runs/$run
  mkdir -p "$notes" && : > "$notes/$number.$attempt" || return 73
  for note in "$notes"/*; do
    later=\${note##*/}
    [ "\${later%%.*}" -gt "$number" ] || continue
    echo "attempt \${later%%.*} of the run was started after it" >&2
    return 67
  done
}
earlier_attempts() {
  for note in "$notes"/*; do
    name=\${note##*/}
    [ "\${name#*.}" = "$attempt" ] || [ "$note" = "$notes/*" ] || echo "\${name#*.}"
  done
}
# Takes the lock of the attempt in "$1", so that it does not start when it has not yet.
prevent() { mkdir -p "$1" && mkdir "$1/pid.lock" 2>/dev/null && : > "$1/pid.lock/prevented"; }
`;
