import { mkdirSync, readFileSync } from 'node:fs';
import { type TrialConfig, trialConfig } from '@trainyard/protocol';
import type { Callback } from '../callbacks/callback.ts';
import type { RunOutcome } from '../lifecycle/pipeline-options.ts';
import type { Tracker } from '../trackers/tracker.ts';
import type { Registry, TypedSettings } from './registry.ts';
import { callbackRegistry, type TrialContext, trackerRegistry } from './usual-registries.ts';
import { trialDirectory, workspaceDirectories } from './workspace.ts';

/** What a factory of pipelines gets beside the settings of its pipeline. */
export interface MadeForTrial extends TrialContext {
  readonly trackers: readonly Tracker[];
  readonly callbacks: readonly Callback[];
}

export interface TrialRegistries<Result> {
  /** Made by `settings.pipeline`, whose `type` chooses one. */
  readonly pipelines: Registry<{ run(): Promise<RunOutcome<Result>> }, MadeForTrial>;
  /** Made by `trackers` of env.yaml; the usual ones if left out. */
  readonly trackers?: Registry<Tracker, TrialContext>;
  /** Made by `settings.callbacks`; the usual ones if left out. */
  readonly callbacks?: Registry<Callback, TrialContext>;
}

/**
 * The effective config of the trial run that this program is.
 * @param file as `trainyard experiment run` saves it; TRAINYARD_PARAMS if left out, which a stage has
 * @throws RangeError when there is none, or it is none of an experiment
 */
export function readTrialConfig(file: string | undefined = process.env['TRAINYARD_PARAMS']): TrialConfig {
  if (file === undefined) {
    throw new RangeError(
      'There is no config: start the program by "trainyard experiment run", or set TRAINYARD_PARAMS to a config.json that it saved.',
    );
  }
  const parsed = trialConfig.safeParse(JSON.parse(readFileSync(file, 'utf8')));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new RangeError(
    `${file} is no config of an experiment's trial: "${issue!.path.join('.')}": ${issue!.message}`,
  );
}

/**
 * Runs one trial run from its config alone: makes trackers, callbacks and the pipeline by their types and runs it.
 * @throws UnknownType for a type that is not registered, RangeError for a config that says too little, and what the
 *   pipeline throws
 */
export async function runTrial<Result>(
  registries: TrialRegistries<Result>,
  config: TrialConfig = readTrialConfig(),
): Promise<RunOutcome<Result>> {
  const directories = workspaceDirectories(trialDirectory(config));
  for (const directory of Object.values(directories)) mkdirSync(directory, { recursive: true });
  const context: TrialContext = { config, directories };
  const { trackers = trackerRegistry(), callbacks = callbackRegistry(), pipelines } = registries;
  const pipeline = typed(config.settings['pipeline'], 'settings.pipeline');
  const listed = config.settings['callbacks'] ?? [];
  if (!Array.isArray(listed)) throw new RangeError('"settings.callbacks" is a list of mappings with a type.');
  return pipelines
    .create(pipeline, {
      ...context,
      trackers: config.trackers.map((each) => trackers.create(each, context)),
      callbacks: listed.map((each, at) =>
        callbacks.create(typed(each, `settings.callbacks[${at}]`), context),
      ),
    })
    .run();
}

function typed(value: unknown, where: string): TypedSettings {
  const { type } = (value ?? {}) as { readonly type?: unknown };
  if (typeof type === 'string') return value as TypedSettings;
  throw new RangeError(`"${where}" is a mapping with a "type", not ${JSON.stringify(value) ?? 'nothing'}.`);
}
