import type { ApprovalDefinition, FormField, JsonValue } from '@trainyard/protocol/definition';

type Form = Readonly<Record<string, FormField>>;

/** What of an approval may hold expressions: its message, and the defaults of its fields. */
export function approvalTexts({ message, form }: Pick<ApprovalDefinition, 'message' | 'form'>): {
  message: string;
  form: Record<string, { default: JsonValue }>;
} {
  return { message, form: Object.fromEntries(Object.entries(form).flatMap(defaultOf)) };
}

/** The form with the defaults that the expressions gave. */
export function withDefaults(form: Form, resolved: JsonValue): Record<string, FormField> {
  const defaults = resolved as Record<string, { default: JsonValue }>;
  return Object.fromEntries(
    Object.entries(form).map(([name, field]) => [name, { ...field, ...defaults[name] }]),
  );
}

function defaultOf([name, field]: [string, FormField]): [string, { default: JsonValue }][] {
  return field.default === undefined ? [] : [[name, { default: field.default }]];
}
