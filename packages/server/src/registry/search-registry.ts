import { type Kysely, sql } from 'kysely';
import { compileFilter, type FieldSource } from '../search/compile-filter.ts';
import { compileOrder } from '../search/compile-order.ts';
import type { Clause, Filter, OrderBy } from '../search/filter.ts';
import { MODEL_FIELDS, VERSION_FIELDS } from '../search/registry-fields.ts';
import type { Schema } from '../store/schema.ts';
import { type ModelVersion, readModelVersions } from './read-versions.ts';
import { type RegisteredModel, readRegisteredModels } from './registered-models.ts';

export interface RegistrySearch {
  readonly filter: Filter | undefined;
  readonly orderBy: readonly OrderBy[];
  readonly limit: number;
  readonly offset: number;
}

/** By name, unless another order is asked for; ties by name. */
export async function searchRegisteredModels(
  db: Kysely<Schema>,
  { filter, orderBy, limit, offset }: RegistrySearch,
): Promise<{ items: RegisteredModel[]; hasMore: boolean }> {
  const { terms } = compileOrder(orderBy, MODEL_FIELDS);
  const isNamed = orderBy.some(({ field }) => field.key === 'name');
  const order = isNamed ? terms : [...terms, sql`m.name collate "C"`];
  const where = isShown(filter, MODEL_FIELDS);
  const found = await readRegisteredModels(db, where, sql.join(order), { limit: limit + 1, offset });
  return { items: found.slice(0, limit), hasMore: found.length > limit };
}

/** The latest changed first, unless another order is asked for; ties by name, then the higher version first. */
export async function searchModelVersions(
  db: Kysely<Schema>,
  { filter, orderBy, limit, offset }: RegistrySearch,
): Promise<{ items: ModelVersion[]; hasMore: boolean }> {
  const { terms } = compileOrder(orderBy.length === 0 ? LATEST_FIRST : orderBy, VERSION_FIELDS);
  const keys = new Set(orderBy.map(({ field }) => field.key));
  const order = [
    ...terms,
    ...(keys.has('name') ? [] : [sql`m.name collate "C"`]),
    ...(keys.has('version_number') ? [] : [sql`v.version desc`]),
  ];
  const where = isShown(filter, VERSION_FIELDS);
  const found = await readModelVersions(db, where, sql.join(order), { limit: limit + 1, offset });
  return { items: found.slice(0, limit), hasMore: found.length > limit };
}

const LATEST_FIRST: readonly OrderBy[] = [
  { field: { group: 'attribute', key: 'last_updated_timestamp' }, isDescending: true },
];

function isShown(filter: Filter | undefined, fields: FieldSource) {
  return sql<boolean>`${compileFilter(withoutPromptClauses(filter), fields)} and ${withoutPrompts(filter)}`;
}

const PROMPT_TAG = 'mlflow.prompt.is_prompt';

/** MLflow keeps prompts among its models, and shows them only to those who ask for them. */
function withoutPrompts(filter: Filter | undefined) {
  if (filter !== undefined && asksForPrompts(filter)) return sql<boolean>`true`;
  return sql<boolean>`not exists (select from registered_model_tags p
    where p.model_id = m.id and p.key = ${PROMPT_TAG} and p.value = 'true')`;
}

/** MLflow's client adds `tag.mlflow.prompt.is_prompt != 'true'`, and means also what has no such tag: see above. */
function withoutPromptClauses(filter: Filter | undefined): Filter | undefined {
  if (filter === undefined || refusesPrompts(filter)) return undefined;
  if (filter.kind !== 'and') return filter;
  const clauses = filter.clauses.filter((clause) => !refusesPrompts(clause));
  return clauses.length > 1 ? { kind: 'and', clauses } : clauses[0];
}

function refusesPrompts(filter: Filter): boolean {
  return filter.kind === 'compare' && isPromptTag(filter) && !isTrue(filter.comparator, filter.value);
}

function asksForPrompts(filter: Filter): boolean {
  if (filter.kind === 'and' || filter.kind === 'or') return filter.clauses.some(asksForPrompts);
  return filter.kind === 'compare' && isPromptTag(filter) && isTrue(filter.comparator, filter.value);
}

function isPromptTag({ field }: Clause): boolean {
  return field.group === 'tag' && field.key === PROMPT_TAG;
}

function isTrue(comparator: string, value: string | number): boolean {
  const word = String(value).toLowerCase();
  return (comparator === '=' && word === 'true') || (comparator === '!=' && word === 'false');
}
