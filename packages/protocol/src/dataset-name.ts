/** Longest name of a dataset, in characters. */
export const MAX_DATASET_NAME = 200;

/** What every new name of a dataset has to be, in words. */
export const DATASET_NAME_RULE = `a dataset's name has 1 to ${MAX_DATASET_NAME} characters, begins with a letter, a digit or "_", and has no "/", "\\", "@", control characters, or space at its end`;

/** A name is part of paths, of addresses, and of NAME@VERSION. */
const ALLOWED = /^[\p{L}\p{N}_][^\p{C}\p{Zl}\p{Zp}/\\@]*(?<!\s)$/u;

/** Whether a dataset may be called so. Names that were stored before there was this rule stay readable. */
export function isDatasetName(name: string): boolean {
  return name.length <= MAX_DATASET_NAME && ALLOWED.test(name);
}

/** A name as near to a text, such as a file's name, as is allowed. */
export function toDatasetName(text: string, most = MAX_DATASET_NAME): string {
  const clean = text
    .replace(/[\p{C}\p{Zl}\p{Zp}/\\@]/gu, '_')
    .slice(0, most)
    .trim();
  return isDatasetName(clean) ? clean : toDatasetName(`_${clean}`, most);
}
