import { type JsonValue, RUN_STATUSES } from '@trainyard/protocol/definition';
import { type CompiledExpression, compileExpression } from './cel.ts';
import { didYouMean } from './did-you-mean.ts';
import { splitExpressions } from './expression-text.ts';
import { type CelType, typeOfExpression } from './expression-types.ts';
import { type DefinitionPath, EXPRESSION_TYPE, type Fault } from './faults.ts';

type Params = ReadonlyMap<string, CelType>;

/** What an expression, whose names are all there, can never be computed for, or can never be true for. */
export function typeProblems(
  source: string,
  { references, statuses }: CompiledExpression,
  params: Params,
): string[] {
  if (references.some(({ root, name }) => root === 'stages' && name === undefined)) {
    return [
      'write the name of the stage out, as stages.NAME or stages["NAME"]; which stages it means has to be known before the run',
    ];
  }
  const unknown = statuses.filter((status) => !RUN_STATUSES.some((known) => known === status));
  const { problem } = typeOfExpression(source, references, params);
  return [
    ...unknown.map((status) => `there is no status "${status}"${didYouMean(status, RUN_STATUSES)}`),
    ...(problem === undefined ? [] : [problem]),
  ];
}

const WANTED = { bool: 'true or false', list: 'a list' } as const;

/** For a text that is one expression, whose value has to be of a type: a fault when it never is. */
export function resultFaults(
  text: JsonValue,
  wanted: keyof typeof WANTED,
  params: Params,
  path: DefinitionPath,
): Fault[] {
  if (typeof text !== 'string') return [];
  const split = splitExpressions(text.trim());
  const part = split.ok && split.parts.length === 1 ? split.parts[0] : undefined;
  if (part?.kind !== 'expression') return [];
  let type: string;
  try {
    ({ type } = typeOfExpression(part.source, compileExpression(part.source).references, params));
  } catch {
    // It is told that it is no expression.
    return [];
  }
  if (type === 'dyn' || type.replace(/<.*/, '') === wanted) return [];
  const message = `needs ${WANTED[wanted]}; \${{ ${part.source} }} is ${typeName(type)}`;
  return [{ code: EXPRESSION_TYPE, message, path }];
}

function typeName(type: string): string {
  const names: Readonly<Record<string, string>> = {
    int: 'a whole number',
    double: 'a number',
    string: 'a text',
    bool: 'true or false',
    null: 'null',
    list: 'a list',
    map: 'a mapping',
  };
  return names[type.replace(/<.*/, '')] ?? `of type ${type}`;
}
