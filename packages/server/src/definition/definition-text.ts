import { stringify } from 'yaml';

/** A definition, or a config, as a file in YAML, with a remark on top. */
export function definitionText(definition: object, remark: string): string {
  const comment = remark
    .split('\n')
    .map((line) => `# ${line}\n`)
    .join('');
  // Lines are not folded: what was one line stays one. Equal lists are not shared either.
  return comment + stringify(definition, { lineWidth: 0, aliasDuplicateObjects: false });
}
