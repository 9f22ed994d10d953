import type { ModelVersion } from '../../registry/read-versions.ts';
import type { RegisteredModel } from '../../registry/registered-models.ts';

/** A registered model as MLflow's clients read it. What is empty is left out. */
export function registeredModelView(model: RegisteredModel) {
  return {
    name: model.name,
    creation_timestamp: model.createdAt.getTime(),
    last_updated_timestamp: model.updatedAt.getTime(),
    ...(model.description === null ? {} : { description: model.description }),
    ...(model.latestVersions.length === 0
      ? {}
      : { latest_versions: model.latestVersions.map(modelVersionView) }),
    ...(model.tags.length === 0 ? {} : { tags: model.tags }),
    ...(model.aliases.length === 0
      ? {}
      : { aliases: model.aliases.map(({ alias, version }) => ({ alias, version: String(version) })) }),
  };
}

export function modelVersionView(version: ModelVersion) {
  return {
    name: version.modelName,
    version: String(version.version),
    creation_timestamp: version.createdAt.getTime(),
    last_updated_timestamp: version.updatedAt.getTime(),
    ...(version.userId === null ? {} : { user_id: version.userId }),
    current_stage: version.stage,
    description: version.description ?? '',
    source: version.source,
    run_id: version.runId ?? '',
    status: 'READY',
    ...(version.tags.length === 0 ? {} : { tags: version.tags }),
    run_link: version.runLink ?? '',
    ...(version.aliases.length === 0 ? {} : { aliases: version.aliases }),
    ...(version.loggedModelId === null ? {} : { model_id: version.loggedModelId }),
  };
}
