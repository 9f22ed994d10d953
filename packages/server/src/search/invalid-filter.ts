import { TrainyardError } from '@trainyard/protocol';

/**
 * The one error of filters and orders.
 * @param what which text it is in, as in "the filter"
 * @param at the character that is wrong, from 0; told from 1
 */
export function invalidFilter(what: string, at: number, problem: string, expected: string): TrainyardError {
  const position = at + 1;
  return new TrainyardError(
    'INVALID_FILTER',
    `${problem} at character ${position} of ${what}; expected ${expected}.`,
    { details: { position, expected } },
  );
}
