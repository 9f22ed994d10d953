/** Tags that mean something, by the names that MLflow's clients give them. */
export const RUN_NAME_TAG = 'mlflow.runName';
export const USER_TAG = 'mlflow.user';
