import { pythonWith } from './python-environment.ts';

/** A Python with MLflow's own client and server, scikit-learn, which that brings, and Optuna. */
export function mlflowPython(): string {
  return pythonWith('mlflow', ['mlflow==3.17.2', 'optuna==5.0.0'], ['--no-compile']);
}
