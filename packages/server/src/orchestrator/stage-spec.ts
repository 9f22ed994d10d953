import { randomBytes } from 'node:crypto';
import {
  type AttemptSpec,
  type JsonValue,
  type StageDefinition,
  stageKind,
  stagePriority,
} from '@trainyard/protocol';
import { resolveExpressions } from '../definition/expressions.ts';
import { secretNames } from '../definition/secret-references.ts';
import { expressionParts, secretParts } from '../definition/stage-expressions.ts';
import { resolveLimits } from '../limits/resolve-limits.ts';
import type { Found, Wanted } from './lookups.ts';
import type { OwnedTree } from './owned-tree.ts';
import { stageDiagnosis } from './stage-diagnosis.ts';
import { faultOf } from './stage-fault.ts';
import { stageProgram } from './stage-program.ts';
import { paramsOf, scopeOf } from './stage-scope.ts';
import { stageWork } from './stage-work.ts';
import type { StageWork } from './stage-work-parts.ts';
import type { NewAttempt } from './tree-changes.ts';
import { baseDirOf, joinPath } from './used-unit.ts';

interface StageAttempt {
  /** What the program finds as its params. */
  readonly params: Record<string, unknown>;
  readonly attempt: NewAttempt;
}

type OrError<T> =
  | ({ readonly ok: true } & T)
  | { readonly ok: false; readonly error: { readonly code: string; readonly message: string } };

/** An attempt of a stage that can be handed out once what is wanted of the store is there. */
interface Pending {
  readonly wanted: Wanted | undefined;
  build(found: Found): OrError<StageAttempt>;
}

type StageSpec = OrError<Pending>;

/**
 * What an agent is asked to run for a stage: its definition with every `${{ … }}` resolved against the
 * params around it and the outputs of the stages it can see.
 */
export function stageSpec(tree: OwnedTree, stage: StageDefinition, node: number, number: number): StageSpec {
  return orError<Pending>(() => {
    const params = paramsOf(tree, node);
    const secrets = secretNames(secretParts(stage)).map((name) => ({ name, placeholder: newPlaceholder() }));
    const scope = {
      ...scopeOf(tree, node, params, expressionParts(stage)),
      secrets: Object.fromEntries(secrets.map(({ name, placeholder }) => [name, placeholder])),
    };
    const baseDir = baseDirOf(tree, node);
    const { wanted, build } = stageWork(stage, {
      scope,
      params,
      resolve: <T>(value: T) => resolveExpressions(value as JsonValue, scope) as T,
      path: (path) => joinPath(baseDir, path),
    });
    const labels = labelsOf(stage);
    const limits = resolveLimits(stage, (text) => scopeOf(tree, node, params, text));
    const attemptOf = (found: Found): StageAttempt => {
      const work = build(found);
      const { queue, gpus } = work;
      const diagnosis = stageDiagnosis(tree, stage, node);
      const spec = {
        ...toAttemptSpec(tree, node, number, work),
        ...stageProgram(tree, stage, node),
        secrets,
        ...(diagnosis && { diagnosis }),
        ...(stage.earlyStopping && { earlyStopping: stage.earlyStopping }),
      };
      return {
        params: work.params,
        attempt: { node, number, queue, priority: stagePriority(stage), gpus, labels, limits, spec },
      };
    };
    return { wanted, build: (found) => orError(() => attemptOf(found)) };
  });
}

/** Labels that a stage asks for; null: none. */
function labelsOf(stage: StageDefinition): Readonly<Record<string, string>> | null {
  const work = stage[stageKind(stage)] as { readonly labels?: Readonly<Record<string, string>> | undefined };
  return work.labels === undefined || Object.keys(work.labels).length === 0 ? null : work.labels;
}

function orError<T extends object>(work: () => T): OrError<T> {
  try {
    return { ok: true as const, ...work() };
  } catch (error) {
    return { ok: false, error: faultOf(error) };
  }
}

/** Nobody can guess it, so nothing that a job writes can ask for the secret of another one. */
function newPlaceholder(): string {
  return `trainyard-secret-${randomBytes(16).toString('hex')}`;
}

function toAttemptSpec(
  tree: OwnedTree,
  node: number,
  number: number,
  work: StageWork,
): Omit<AttemptSpec, 'secrets'> {
  const run = tree.runs[node]!;
  return {
    // The attempt's id is made with its row.
    attemptId: '',
    runId: run.id,
    rootId: tree.rootId,
    parentId: run.parentId ?? tree.rootId,
    stage: run.path,
    number,
    epoch: number,
    executor: 'local',
    artifacts: {},
    ...work,
  };
}
