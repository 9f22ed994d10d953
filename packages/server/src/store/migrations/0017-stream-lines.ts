import { type Kysely, sql } from 'kysely';

/** Lines of streams are counted, so that a line is found by its number. */
export async function up(db: Kysely<unknown>): Promise<void> {
  for (const statement of STATEMENTS) await sql.raw(statement).execute(db);
}

// The escaped form writes a line's end as itself, whatever else the bytes are.
const STATEMENTS = [
  `alter table streams add column lines bigint not null default 0`,
  `alter table stream_chunks add column first_line bigint not null default 0`,
  `with counted as (
    select attempt_id, stream, "offset",
      length(encode(bytes, 'escape')) - length(replace(encode(bytes, 'escape'), E'\\n', '')) as ends
    from stream_chunks
  ), placed as (
    select attempt_id, stream, "offset",
      coalesce(sum(ends) over (partition by attempt_id, stream order by "offset" rows unbounded preceding), 0)
        - ends as first_line
    from counted
  )
  update stream_chunks c set first_line = p.first_line from placed p
  where c.attempt_id = p.attempt_id and c.stream = p.stream and c."offset" = p."offset" and p.first_line > 0`,
  `with counted as (
    select attempt_id, stream,
      sum(length(encode(bytes, 'escape')) - length(replace(encode(bytes, 'escape'), E'\\n', ''))) as ends
    from stream_chunks group by attempt_id, stream
  )
  update streams s set lines = c.ends from counted c
  where s.attempt_id = c.attempt_id and s.stream = c.stream`,
];
