import { closest } from '@trainyard/protocol/definition';

/**
 * The end of a message that names the closest of `names` ("; did you mean …?"), or else lists them.
 * Empty when there is nothing to name. At most `maxListed` names are listed.
 */
export function didYouMean(wrong: string, names: Iterable<string>, maxListed = 12): string {
  const known = [...names];
  const close = closest(wrong, known);
  if (close !== undefined) return `; did you mean "${close}"?`;
  if (known.length === 0) return '';
  const listed = known.slice(0, maxListed).join(', ');
  return `; known: ${listed}${known.length > maxListed ? ', …' : ''}`;
}
