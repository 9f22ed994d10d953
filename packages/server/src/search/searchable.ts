import type { Field, FieldGroup } from './filter.ts';

/** A kind of thing that is searched, with what its filters and orders may name. */
export interface Searchable {
  /** Groups of fields that a filter may name, in the order in which they are told. */
  readonly groups: readonly FieldGroup[];
  readonly orderGroups: readonly FieldGroup[];
  readonly attributes: Readonly<Record<string, AttributeSpec>>;
}

export interface AttributeSpec {
  readonly type: 'text' | 'number';
  /** Other names, as MLflow's clients use them. */
  readonly aliases?: readonly string[];
  /** May be filtered by, but not ordered by. */
  readonly isUnordered?: boolean;
}

const text = { type: 'text' } as const;
const number = { type: 'number' } as const;

export const SEARCHABLE = {
  runs: {
    groups: ['attribute', 'metric', 'param', 'tag', 'dataset'],
    orderGroups: ['attribute', 'metric', 'param', 'tag'],
    attributes: {
      run_id: text,
      run_name: { type: 'text', aliases: ['run name', 'Run name', 'Run Name'] },
      status: text,
      /** Trainyard's own word of the status, of which there are more. */
      state: text,
      user_id: text,
      artifact_uri: text,
      start_time: { type: 'number', aliases: ['created', 'Created'] },
      end_time: number,
    },
  },
  experiments: {
    groups: ['attribute', 'tag'],
    orderGroups: ['attribute'],
    attributes: { name: text, experiment_id: text, creation_time: number, last_update_time: number },
  },
  registeredModels: {
    groups: ['attribute', 'tag'],
    orderGroups: ['attribute'],
    attributes: {
      name: text,
      creation_timestamp: number,
      last_updated_timestamp: { type: 'number', aliases: ['timestamp'] },
    },
  },
  modelVersions: {
    groups: ['attribute', 'tag'],
    orderGroups: ['attribute'],
    attributes: {
      name: text,
      version_number: number,
      run_id: text,
      source_path: { type: 'text', isUnordered: true },
      creation_timestamp: number,
      last_updated_timestamp: number,
    },
  },
  loggedModels: {
    groups: ['attribute', 'metric', 'param', 'tag'],
    orderGroups: ['attribute', 'metric', 'param', 'tag'],
    attributes: {
      name: text,
      model_id: text,
      model_type: text,
      status: text,
      source_run_id: text,
      experiment_id: text,
      creation_timestamp: { type: 'number', aliases: ['creation_timestamp_ms', 'creation_time'] },
      last_updated_timestamp: { type: 'number', aliases: ['last_updated_timestamp_ms'] },
    },
  },
} as const satisfies Record<string, Searchable>;

/** Words by which a group is named before the dot; a key without one is an attribute. */
export const GROUP_WORDS: Readonly<Record<FieldGroup, readonly string[]>> = {
  attribute: ['attribute', 'attributes', 'attr', 'run'],
  metric: ['metric', 'metrics'],
  param: ['param', 'params', 'parameter', 'parameters'],
  tag: ['tag', 'tags'],
  dataset: ['dataset', 'datasets'],
};

/** What a dataset of a run is found by. A run may have several: one that matches is enough. */
export const DATASET_KEYS = ['name', 'digest', 'context'] as const;

/** Whether a field is compared with numbers. */
export function isNumberField(searchable: Searchable, field: Field): boolean {
  if (field.group === 'metric') return true;
  return field.group === 'attribute' && searchable.attributes[field.key]?.type === 'number';
}

/** Keys of the attributes that may be filtered, or else ordered, by. */
export function attributeKeys(searchable: Searchable, use: 'filter' | 'order'): string[] {
  return Object.entries(searchable.attributes)
    .filter(([, spec]) => use === 'filter' || spec.isUnordered !== true)
    .map(([key]) => key);
}
