import { z } from 'zod';
import { paramSpec } from './param-spec.ts';
import { duration, identifier } from './values.ts';

/** What a person may be asked for when approving; a field without a default has to be given. */
export const formField = paramSpec
  .extend({ choices: z.array(z.string().max(1000)).min(1).max(1000).optional() })
  .refine(({ type, choices }) => choices === undefined || type === 'string', {
    message: 'choices are only for a field of type string',
    path: ['choices'],
  });
export type FormField = z.infer<typeof formField>;

/** Names of tokens, or `scope:admin` and the like for all tokens with that scope. */
const people = z.array(z.string().min(1).max(210)).min(1).max(100);

const MAX_FIELDS = 100;
/** The outputs that an approval has beside its form. */
const OWN_OUTPUTS: readonly string[] = ['decision', 'decidedBy', 'comment'];

const approvalFields = {
  /** Shown to people; may hold expressions. */
  message: z.string().min(1).max(10_000),
  form: z.record(identifier('a field'), formField).default({}),
  /** Who may decide; everybody who may write when left out. */
  approvers: people.optional(),
  /** From the moment of the request. */
  timeout: duration.optional(),
  onTimeout: z.enum(['approve', 'reject', 'escalate']).optional(),
  /** Who may decide as well once the timeout has passed. */
  escalateTo: people.optional(),
  /** From the escalation until the approval is rejected; as long as the timeout when left out. */
  escalateTimeout: duration.optional(),
};

/** A stage of kind `approval`: waits for a person's decision. */
export const approval = z.strictObject(approvalFields).check((context) => {
  const { form, timeout, onTimeout, escalateTo, escalateTimeout } = context.value;
  const fault = (path: readonly string[], message: string) =>
    context.issues.push({ code: 'custom', input: context.value, path: [...path], message });
  const fields = Object.entries(form);
  if (fields.length > MAX_FIELDS) fault(['form'], `a form has at most ${MAX_FIELDS} fields`);
  for (const [name, field] of fields) {
    if (OWN_OUTPUTS.includes(name)) {
      fault(['form', name], `"${name}" is an output of every approval; give the field another name`);
    }
    if (onTimeout === 'approve' && field.default === undefined) {
      fault(['form', name], `"${name}" needs a default, because nobody gives it when the timeout approves`);
    }
  }
  if (timeout === 0) fault(['timeout'], 'a timeout is more than 0');
  if (escalateTimeout === 0) fault(['escalateTimeout'], 'a timeout is more than 0');
  if (onTimeout !== undefined && timeout === undefined) {
    fault(['onTimeout'], '"onTimeout" needs a "timeout"');
  }
  if (onTimeout === 'escalate') {
    if (escalateTo === undefined) fault(['escalateTo'], 'to escalate, "escalateTo" says to whom');
    return;
  }
  if (escalateTo !== undefined) fault(['escalateTo'], '"escalateTo" is only for onTimeout: escalate');
  if (escalateTimeout !== undefined) {
    fault(['escalateTimeout'], '"escalateTimeout" is only for onTimeout: escalate');
  }
});
export type ApprovalDefinition = z.infer<typeof approval>;
