import { useMutation } from '@tanstack/react-query';
import type { ApprovalInfo, FormField, Run } from '@trainyard/protocol';
import { useId, useState } from 'react';
import { LoadError } from '../design/feedback.tsx';
import { Section } from '../design/section.tsx';
import { RelativeTime } from '../design/time.tsx';
import { api, queryClient } from '../live/services.ts';
import { texts } from '../texts.ts';
import { choicesOf, initialTexts, inputsOf, waitsForPerson } from './approval-form.ts';
import { useApproval } from './run-parts.ts';

/** What a stage asks people, with the form to answer it; afterwards who decided what. */
export function ApprovalPanel({ run }: { run: Run }) {
  const { data, error, refetch } = useApproval(run);
  if (error !== null) return <LoadError error={error} onRetry={() => void refetch()} />;
  if (data === undefined) return null;
  const isOpen = data.status === 'waiting' && waitsForPerson(run);
  return (
    <Section title={texts.approval.title}>
      <div className="card flex flex-col gap-3 p-3">
        <p className="break-words whitespace-pre-wrap">{data.message}</p>
        <Facts approval={data} />
        {isOpen && <DecisionForm key={data.runId} run={run} approval={data} />}
      </div>
    </Section>
  );
}

function Facts({ approval }: { approval: ApprovalInfo }) {
  const { status, approvers, escalatedAt, escalateTo, timeoutAt, onTimeout } = approval;
  const words = texts.approval;
  if (status !== 'waiting') return <Outcome approval={approval} />;
  const deciders = [...(approvers ?? []), ...(escalatedAt === null ? [] : (escalateTo ?? []))];
  const next = escalatedAt === null ? onTimeout : 'reject';
  return (
    <p className="text-muted">
      {approvers === null ? words.anybody : words.deciders(deciders.join(', '))}
      {timeoutAt !== null && (
        <>
          {` ${words.onTimeout[next]} `}
          <RelativeTime at={timeoutAt} />.
        </>
      )}
    </p>
  );
}

function Outcome({ approval }: { approval: ApprovalInfo }) {
  const { status, decidedBy, decidedAt, comment } = approval;
  const words = texts.approval;
  if (status === 'withdrawn') return <p className="text-muted">{words.withdrawn}</p>;
  const word = status === 'approved' ? words.approved : words.rejected;
  return (
    <>
      <p role="status">
        {word(decidedBy ?? words.itsTimeout)} <RelativeTime at={decidedAt} />
      </p>
      {comment !== null && <p className="break-words whitespace-pre-wrap text-muted">{comment}</p>}
    </>
  );
}

function DecisionForm({ run, approval }: { run: Run; approval: ApprovalInfo }) {
  const [given, setGiven] = useState(() => initialTexts(approval.form));
  const [comment, setComment] = useState('');
  const decide = useMutation({
    mutationFn: (approves: boolean) => {
      const why = comment.trim();
      if (!approves) return api.rejectRun(run.id, why === '' ? {} : { reason: why });
      const inputs = inputsOf(approval.form, given);
      return api.approveRun(run.id, { inputs, ...(why === '' ? {} : { comment: why }) });
    },
    onSettled: () => {
      void queryClient.invalidateQueries({ queryKey: ['run-parts', run.id] });
      void queryClient.invalidateQueries({ queryKey: ['tree', run.rootId] });
    },
  });
  const words = texts.approval;
  return (
    <form
      className="flex flex-col gap-3"
      aria-label={words.formLabel(run.name)}
      onSubmit={(event) => {
        event.preventDefault();
        decide.mutate(true);
      }}
    >
      {Object.entries(approval.form).map(([name, field]) => (
        <Field
          key={name}
          name={name}
          field={field}
          text={given[name] ?? ''}
          onChange={(text) => setGiven((now) => ({ ...now, [name]: text }))}
        />
      ))}
      <label className="flex flex-col gap-1 text-muted">
        {words.comment}
        <textarea
          className="field py-1"
          rows={2}
          maxLength={10_000}
          value={comment}
          onChange={(event) => setComment(event.target.value)}
        />
      </label>
      {decide.error !== null && <LoadError error={decide.error} title={words.failed} />}
      <div className="flex justify-end gap-2">
        <button
          type="button"
          className="btn btn-danger"
          disabled={decide.isPending}
          onClick={() => decide.mutate(false)}
        >
          {words.reject}
        </button>
        <button type="submit" className="btn btn-primary" disabled={decide.isPending}>
          {words.approve}
        </button>
      </div>
    </form>
  );
}

function Field(props: { name: string; field: FormField; text: string; onChange: (text: string) => void }) {
  const { name, field, text, onChange } = props;
  const id = useId();
  const choices = choicesOf(field);
  const { description } = field;
  const shared = {
    id,
    className: 'field',
    value: text,
    'aria-describedby': description === undefined ? undefined : `${id}-hint`,
  };
  return (
    <div className="flex flex-col gap-1">
      <label htmlFor={id}>
        <span className="code">{name}</span>{' '}
        <span className="text-muted">
          {texts.approval.type[field.type]}
          {field.default === undefined && ` · ${texts.approval.required}`}
        </span>
      </label>
      {choices.length > 0 ? (
        <select {...shared} onChange={(event) => onChange(event.target.value)}>
          {field.default === undefined && <option value="">{texts.approval.choose}</option>}
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      ) : field.type === 'json' ? (
        <textarea
          {...shared}
          className="field code py-1"
          rows={3}
          onChange={(event) => onChange(event.target.value)}
        />
      ) : (
        <input
          {...shared}
          inputMode={field.type === 'string' ? 'text' : 'decimal'}
          autoComplete="off"
          onChange={(event) => onChange(event.target.value)}
        />
      )}
      {description !== undefined && (
        <span id={`${id}-hint`} className="text-[12px] text-muted">
          {description}
        </span>
      )}
    </div>
  );
}
