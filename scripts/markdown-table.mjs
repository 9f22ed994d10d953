/** A table in Markdown; cells are Markdown too. */
export function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

export function yes(value) {
  return value ? 'yes' : '';
}
