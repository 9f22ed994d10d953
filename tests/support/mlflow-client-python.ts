import { pythonWith } from './python-environment.ts';

/** A Python with MLflow's own client and nothing of its server. */
export function mlflowClientPython(): string {
  return pythonWith('mlflow-skinny', ['mlflow-skinny==3.17.2'], ['--no-compile']);
}
