/**
 * When a hook stage runs, once every other stage of its level has ended. A hook is no stage to depend on, and
 * neither a cancel nor a fail-fast around it prevents it.
 */
export const HOOKS = {
  onFailure: 'The level failed or timed out.',
  onCancel: 'The level was cancelled.',
  always: 'In every case.',
} as const;
export type Hook = keyof typeof HOOKS;
export const HOOK_NAMES = Object.keys(HOOKS) as [Hook, ...Hook[]];

interface Dependent {
  readonly name: string;
  readonly dependsOn: readonly string[];
  readonly hook?: Hook | undefined;
}

/** Names of what a stage waits for on its level: what it says, or for a hook every stage that is none. */
export function dependencyNames(stage: Dependent, level: readonly Dependent[]): readonly string[] {
  if (stage.hook === undefined) return stage.dependsOn;
  return [...new Set(level.filter(({ hook }) => hook === undefined).map(({ name }) => name))];
}

/** Names of the stages that nothing else waits for: what a hook is drawn behind. */
export function lastStages(level: readonly Dependent[]): readonly string[] {
  const waitedFor = new Set(level.flatMap(({ dependsOn }) => dependsOn));
  return level.filter(({ name, hook }) => hook === undefined && !waitedFor.has(name)).map(({ name }) => name);
}
