import type { Readable, Writable } from 'node:stream';
import type { Client } from '@trainyard/client';
import { type ApprovalInfo, type FormField, TrainyardError } from '@trainyard/protocol';
import type { CliContext } from './cli-context.ts';
import { oneLine } from './view/tree-view.ts';

/** Where a person is asked. */
export interface Terminal {
  readonly input: Readable;
  readonly output: Writable;
}

type Answer =
  | { readonly decision: 'approved'; readonly inputs: Record<string, unknown>; readonly comment: string }
  | { readonly decision: 'rejected'; readonly reason: string };

/** What became of a question: the approval as it is now, put off, or the person wants to leave. */
export type Outcome = ApprovalInfo | 'later' | 'left';

/**
 * Asks a person about an approval, with a question for each field of its form, and sends what they decide. What
 * the server refuses is said; wrong values are asked for again.
 */
export async function askApproval(
  context: Pick<CliContext, 'err'>,
  client: Client,
  approval: ApprovalInfo,
  { terminal, signal }: { readonly terminal: Terminal; readonly signal: AbortSignal },
): Promise<Outcome> {
  for (;;) {
    const answer = await askDecision(approval, terminal, signal);
    if (typeof answer === 'string') return answer;
    try {
      return await send(client, approval.runId, answer);
    } catch (error) {
      if (!(error instanceof TrainyardError)) throw error;
      context.err(`${error.message}\n`);
      // Anything else, such as that somebody was faster, another answer would not mend.
      if (error.code !== 'INVALID_PARAMS') return 'later';
    }
  }
}

function send(client: Client, runId: string, answer: Answer): Promise<ApprovalInfo> {
  if (answer.decision === 'rejected') {
    return client.rejectRun(runId, answer.reason === '' ? {} : { reason: answer.reason });
  }
  const { inputs, comment } = answer;
  return client.approveRun(runId, { inputs, ...(comment === '' ? {} : { comment }) });
}

/** The questions themselves. `left`: Ctrl-C. */
export async function askDecision(
  approval: ApprovalInfo,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<Answer | 'later' | 'left'> {
  // Only who is asked needs it.
  const { isCancel, select, text } = await import('@clack/prompts');
  const common = { ...terminal, signal };
  const decision = await select({
    ...common,
    message: `${approval.path} waits for a person: ${oneLine(approval.message)}`,
    options: [
      { value: 'approved', label: 'Approve' },
      { value: 'rejected', label: 'Reject' },
      { value: 'later', label: 'Decide later' },
    ],
  });
  if (isCancel(decision)) return 'left';
  if (decision === 'later') return 'later';
  const inputs: Record<string, unknown> = {};
  if (decision === 'approved') {
    for (const [name, field] of Object.entries(approval.form)) {
      const value = await askField(name, field, common);
      if (value === LEFT) return 'left';
      if (value !== undefined) inputs[name] = value;
    }
  }
  const why = await text({
    ...common,
    message: decision === 'approved' ? 'Comment (may be empty)' : 'Reason (may be empty)',
  });
  if (isCancel(why)) return 'left';
  // Of an empty line nothing is given.
  const words = why ?? '';
  return decision === 'approved'
    ? { decision, inputs, comment: words }
    : { decision: 'rejected', reason: words };
}

const LEFT = Symbol('left');

/** The value as it was typed; undefined when the default is to stand. */
async function askField(
  name: string,
  field: FormField,
  common: Terminal & { readonly signal: AbortSignal },
): Promise<unknown> {
  const { confirm, isCancel, select, text } = await import('@clack/prompts');
  const message = field.description === undefined ? name : `${name}: ${oneLine(field.description)}`;
  const { default: preset, choices, type } = field;
  if (type === 'boolean') {
    const value = await confirm({ ...common, message, initialValue: preset === true || preset === 'true' });
    return isCancel(value) ? LEFT : value;
  }
  if (choices !== undefined) {
    const options = choices.map((value) => ({ value, label: value }));
    const initial = typeof preset === 'string' ? { initialValue: preset } : {};
    const value = await select({ ...common, message, options, maxItems: 10, ...initial });
    return isCancel(value) ? LEFT : value;
  }
  const shown = typeof preset === 'string' ? preset : preset === undefined ? '' : JSON.stringify(preset);
  const value = await text({
    ...common,
    message: `${message} (${TYPE_WORDS[type]})`,
    initialValue: shown,
    validate: (given) => problemOf(given ?? '', field),
  });
  if (isCancel(value)) return LEFT;
  return (value ?? '') === '' && preset !== undefined && type !== 'string' ? undefined : (value ?? '');
}

const TYPE_WORDS: Readonly<Record<FormField['type'], string>> = {
  string: 'text',
  integer: 'whole number',
  number: 'number',
  boolean: 'yes or no',
  json: 'JSON, or text',
};

/** What can be seen at once; the server has the last word. */
function problemOf(given: string, { type, default: preset }: FormField): string | undefined {
  if (given === '') return preset === undefined ? 'needs a value' : undefined;
  if (type === 'integer' && !/^\s*[+-]?\d+\s*$/.test(given)) return 'must be a whole number';
  if (type === 'number' && !Number.isFinite(Number(given))) return 'must be a number';
  return undefined;
}
