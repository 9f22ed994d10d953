/**
 * Who is linked to whom, in two flat lists: the targets of `n` are `targets` from `starts[n]` up to (not
 * including) `starts[n + 1]`.
 */
export interface Links {
  readonly starts: Int32Array;
  readonly targets: Int32Array;
}

/** The same links seen from their other ends; each list is in ascending order. O(nodes + links). */
export function reversed({ starts, targets }: Links): Links {
  const count = starts.length - 1;
  const back = new Int32Array(count + 1);
  for (let link = 0; link < targets.length; link++) back[targets[link]!]! += 1;
  // At first where each list ends; filled from behind, it comes to where the list starts.
  let end = 0;
  for (let node = 0; node <= count; node++) {
    end += back[node]!;
    back[node] = end;
  }
  const sources = new Int32Array(targets.length);
  for (let node = count - 1; node >= 0; node--) {
    for (let link = starts[node]!; link < starts[node + 1]!; link++) {
      const at = back[targets[link]!]! - 1;
      back[targets[link]!] = at;
      sources[at] = node;
    }
  }
  return { starts: back, targets: sources };
}

export function linkCount({ starts }: Links, node: number): number {
  return starts[node + 1]! - starts[node]!;
}

export function targetsOf({ starts, targets }: Links, node: number): number[] {
  return Array.from(targets.subarray(starts[node]!, starts[node + 1]!));
}
