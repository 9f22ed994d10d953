/** Items parted by commas, in lines of at most `width` characters; a longer item has a line of its own. */
export function wrapList(items: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line: string[] = [];
  let length = 0;
  for (const [index, item] of items.entries()) {
    const text = index === items.length - 1 ? item : `${item},`;
    if (line.length > 0 && length + 1 + text.length > width) {
      lines.push(line.join(' '));
      line = [];
      length = 0;
    }
    length += text.length + (line.length > 0 ? 1 : 0);
    line.push(text);
  }
  if (line.length > 0) lines.push(line.join(' '));
  return lines;
}
