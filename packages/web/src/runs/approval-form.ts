import type { FormField, Run } from '@trainyard/protocol';

/** True for a stage that waits for a person, and not for its next try. */
export function waitsForPerson({ kind, status }: Pick<Run, 'kind' | 'status'>): boolean {
  return kind === 'approval' && status === 'waiting';
}

/** What the fields of a form hold as text before anybody types: their defaults. */
export function initialTexts(form: Readonly<Record<string, FormField>>): Record<string, string> {
  return Object.fromEntries(Object.entries(form).map(([name, field]) => [name, defaultText(field)]));
}

/**
 * What is sent for the texts of a form; the server reads each as the type of its field. An empty field is not
 * given, so that a missing one is named by the server, unless it is a text that was emptied on purpose.
 */
export function inputsOf(
  form: Readonly<Record<string, FormField>>,
  given: Readonly<Record<string, string>>,
): Record<string, string> {
  return Object.fromEntries(
    Object.entries(form).flatMap(([name, field]) => {
      const text = given[name] ?? '';
      const isEmptied = field.type === 'string' && field.default !== undefined && !field.choices;
      return text !== '' || isEmptied ? [[name, text]] : [];
    }),
  );
}

/** The values among which one chooses; none where one types. */
export function choicesOf({ type, choices }: FormField): readonly string[] {
  return choices ?? (type === 'boolean' ? ['true', 'false'] : []);
}

function defaultText({ type, default: value }: FormField): string {
  if (value === undefined) return '';
  return typeof value === 'string' && type !== 'json' ? value : JSON.stringify(value);
}
