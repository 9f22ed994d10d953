import { DEFINITION_LIMITS } from '../definition/index.ts';

/**
 * Names for the stages of one level, in order. The older systems allowed any text as an id; what a name here
 * cannot hold becomes "_". Names come out unique: an id that is given twice gets a second name, and the
 * caller says that it is a fault.
 *
 * @param reserved what dependencies name; none of it becomes the name of another stage by chance
 */
export function stageNames(ids: readonly string[], reserved: ReadonlySet<string>): string[] {
  const originals = new Set([...ids, ...reserved]);
  const taken = new Set<string>();
  // How often a name was asked for already, so that thousands of equal ones cost no search each.
  const lastNumber = new Map<string, number>();
  return ids.map((id) => {
    const plain = nameFrom(id, 'stage');
    const isFree = (name: string): boolean => !taken.has(name) && (name === id || !originals.has(name));
    let name = plain;
    let number = lastNumber.get(plain) ?? 1;
    while (!isFree(name)) {
      number += 1;
      const suffix = `_${number}`;
      name = plain.slice(0, DEFINITION_LIMITS.maxNameLength - suffix.length) + suffix;
    }
    lastNumber.set(plain, number);
    taken.add(name);
    return name;
  });
}

/** The nearest name to a text; `otherwise` when nothing of the text can stay. */
export function nameFrom(text: string, otherwise: string): string {
  const name = text
    .trim()
    .replace(/[^A-Za-z0-9_.-]+/g, '_')
    .replace(/^[.-]+/, '')
    .slice(0, DEFINITION_LIMITS.maxNameLength);
  const isEmpty = name === '' || (/^_+$/.test(name) && name !== text);
  return isEmpty ? otherwise : name;
}
