import type { Draft } from './draft.ts';

/**
 * Visits everything below a node in preorder, parents before children, items of a foreach included; what the
 * visitor answers with false is not entered.
 */
export function walkBelow(draft: Draft, top: number, visit: (index: number) => boolean): void {
  const open = [rangeBelow(draft, top)];
  for (let range = open[0]; range !== undefined; range = open[open.length - 1]) {
    if (range.next >= range.end) {
      open.pop();
      continue;
    }
    const index = range.next;
    const isEntered = visit(index);
    range.next = isEntered ? index + 1 : draft.endOf(index);
    if (isEntered && draft.foreachOf(index) !== null) open.push(rangeBelow(draft, index));
  }
}

function rangeBelow(draft: Draft, index: number): { next: number; readonly end: number } {
  if (draft.foreachOf(index) === null) return { next: index + 1, end: draft.endOf(index) };
  const items = draft.book(index).items;
  return items === null
    ? { next: 0, end: 0 }
    : { next: items.first, end: items.first + items.count * items.size };
}
