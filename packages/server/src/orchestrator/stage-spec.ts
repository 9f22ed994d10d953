import { randomBytes } from 'node:crypto';
import { type AttemptSpec, type JsonValue, type StageDefinition, TrainyardError } from '@trainyard/protocol';
import { resolveExpressions } from '../definition/expressions.ts';
import { secretNames } from '../definition/secret-references.ts';
import { expressionParts, secretParts } from '../definition/stage-expressions.ts';
import { resolveLimits } from '../limits/resolve-limits.ts';
import type { OwnedTree } from './owned-tree.ts';
import { paramsOf, scopeOf } from './stage-scope.ts';
import { type StageWork, stageWork } from './stage-work.ts';
import type { NewAttempt } from './tree-changes.ts';
import { baseDirOf, joinPath } from './used-unit.ts';

type StageSpec =
  | {
      readonly ok: true;
      readonly params: Record<string, unknown>;
      readonly attempt: Omit<NewAttempt, 'node' | 'number'>;
    }
  | { readonly ok: false; readonly message: string };

/**
 * What an agent is asked to run for a stage: its definition with every `${{ … }}` resolved against the
 * params around it and the outputs of the stages it can see.
 */
export function stageSpec(tree: OwnedTree, stage: StageDefinition, node: number, attempt: number): StageSpec {
  try {
    const params = paramsOf(tree, node);
    const secrets = secretNames(secretParts(stage)).map((name) => ({ name, placeholder: newPlaceholder() }));
    const scope = {
      ...scopeOf(tree, node, params, JSON.stringify(expressionParts(stage))),
      secrets: Object.fromEntries(secrets.map(({ name, placeholder }) => [name, placeholder])),
    };
    const baseDir = baseDirOf(tree, node);
    const work = stageWork(stage, {
      scope,
      params,
      resolve: <T>(value: T) => resolveExpressions(value as JsonValue, scope) as T,
      path: (path) => joinPath(baseDir, path),
    });
    const { queue, gpus } = work;
    const spec = { ...toAttemptSpec(tree, node, attempt, work), secrets };
    const limits = resolveLimits(stage, (text) => scopeOf(tree, node, params, text));
    return { ok: true, params, attempt: { queue, priority: stage.priority, gpus, limits, spec } };
  } catch (error) {
    if (!(error instanceof TrainyardError)) throw error;
    return { ok: false, message: error.message };
  }
}

/** Nobody can guess it, so nothing that a job writes can ask for the secret of another one. */
function newPlaceholder(): string {
  return `trainyard-secret-${randomBytes(16).toString('hex')}`;
}

function toAttemptSpec(
  tree: OwnedTree,
  node: number,
  attempt: number,
  work: StageWork,
): Omit<AttemptSpec, 'secrets'> {
  const run = tree.runs[node]!;
  const { queue: _, ...what } = work;
  return {
    // The attempt's id is made with its row.
    attemptId: '',
    runId: run.id,
    rootId: tree.rootId,
    parentId: run.parentId ?? tree.rootId,
    stage: run.path,
    number: attempt,
    epoch: attempt,
    executor: 'local',
    artifacts: {},
    ...what,
  };
}
