import { artifactPathFault, isId } from '@trainyard/protocol';
import { MlflowRefusal } from './mlflow-error.ts';

/** What a path of MLflow's artifact service means here. */
export interface ArtifactPlace {
  readonly kind: 'run' | 'model';
  /** Id of the run, or of the logged model. */
  readonly id: string;
  /** Among the artifacts of that; empty: all of them. */
  readonly path: string;
}

const MODEL_ID = /^m-[0-9a-f]{32}$/;

/**
 * Reads `…/{run}/artifacts/{path}` or `…/models/{model}/artifacts/{path}`, as the addresses that we give to runs and
 * logged models have them.
 * @throws MlflowRefusal
 */
export function artifactPlace(proxied: string): ArtifactPlace {
  const trimmed = proxied.replace(/\/+$/, '');
  requireValidPath(trimmed);
  const names = trimmed.split('/');
  for (const [index, name] of names.entries()) {
    if (index === 0 || name !== 'artifacts') continue;
    const id = names[index - 1]!;
    const path = names.slice(index + 1).join('/');
    if (isId('run', id)) return { kind: 'run', id, path };
    if (MODEL_ID.test(id) && names[index - 2] === 'models') return { kind: 'model', id, path };
  }
  throw new MlflowRefusal(
    'RESOURCE_DOES_NOT_EXIST',
    `There is no run or logged model at '${trimmed}': paths are EXPERIMENT/RUN/artifacts/PATH or EXPERIMENT/models/MODEL/artifacts/PATH.`,
  );
}

/** @throws MlflowRefusal in the words that clients look for */
export function requireValidPath(path: string): void {
  if (artifactPathFault(path) !== undefined)
    throw new MlflowRefusal('INVALID_PARAMETER_VALUE', 'Invalid path');
}
