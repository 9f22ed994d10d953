/** Sh that sets `cgroup` to the cgroup2 of the attempt in `$dir`, or to nothing. */
export const OWN_CGROUP = `
cgroup=
[ -r "$dir/cgroup" ] && read -r cgroup < "$dir/cgroup" && [ -e "$cgroup/cgroup.freeze" ] || cgroup=
`;

/**
 * Sh that makes a cgroup2 for the attempt below that of this shell and tries whether a process may go into it: the host
 * has to have delegated that tree. Otherwise `cgroup` stays empty.
 */
export const MAKE_CGROUP = `
cgroup=
own=$(sed -n 's/^0:://p' /proc/self/cgroup 2>/dev/null)
mount=$(while read -r _ place kind _; do [ "$kind" = cgroup2 ] && echo "$place" && break; done < /proc/self/mounts)
if [ -n "$own" ] && [ -n "$mount" ]; then
  [ "$own" = / ] && own=
  cgroup="$mount$own/trainyard_$attempt" made=
  mkdir "$cgroup" 2>/dev/null && made=yes
  if [ -e "$cgroup/cgroup.freeze" ] && sh -c 'echo $$ > "$1/cgroup.procs"' trainyard "$cgroup" 2>/dev/null; then
    echo "$cgroup" > "$dir/cgroup"
  else
    # Not that of another start of the same attempt.
    [ -z "$made" ] || rmdir "$cgroup" 2>/dev/null
    cgroup=
  fi
fi
`;
