import type { JsonValue } from '@trainyard/protocol/definition';
import { compileExpression, type Reference } from './cel.ts';
import { mayHoldExpressions, splitExpressions } from './expression-text.ts';

/** What the expressions in the texts of a value refer to, such as `params.epochs`. They have been checked before. */
export function* expressionReferences(value: JsonValue | undefined): Generator<Reference> {
  if (typeof value === 'string') {
    if (!mayHoldExpressions(value)) return;
    const split = splitExpressions(value);
    if (!split.ok) return;
    for (const part of split.parts) {
      if (part.kind === 'expression') yield* compileExpression(part.source).references;
    }
  } else if (typeof value === 'object' && value !== null) {
    for (const inner of Array.isArray(value) ? value : Object.values(value)) {
      yield* expressionReferences(inner);
    }
  }
}
