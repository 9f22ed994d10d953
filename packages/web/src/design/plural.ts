const rules = new Intl.PluralRules('en');

/** The form of a noun that goes with a number: `plural(1, 'line')` is "line", of 0 and 2 "lines". */
export function plural(n: number, one: string, other = `${one}s`): string {
  return rules.select(n) === 'one' ? one : other;
}

/** A number with its noun: "1 line", "2 lines". */
export function counted(n: number, one: string, other?: string): string {
  return `${n} ${plural(n, one, other)}`;
}
