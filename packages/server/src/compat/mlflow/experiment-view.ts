import type { Experiment } from '../../tracking/experiments.ts';

/** An experiment as MLflow's clients read it. */
export function experimentView(experiment: Experiment) {
  return {
    experiment_id: String(experiment.id),
    name: experiment.name,
    artifact_location: artifactLocationOf(experiment),
    lifecycle_stage: experiment.deletedAt === null ? 'active' : 'deleted',
    last_update_time: experiment.updatedAt.getTime(),
    creation_time: experiment.createdAt.getTime(),
    ...(experiment.tags.length === 0 ? {} : { tags: experiment.tags }),
  };
}

/** Without a place of its own its artifacts are this server's. */
export function artifactLocationOf({
  id,
  artifactLocation,
}: Pick<Experiment, 'id' | 'artifactLocation'>): string {
  return artifactLocation ?? `mlflow-artifacts:/${id}`;
}
