import { createHash } from 'node:crypto';
import {
  DEFINITION_LIMITS,
  type ExperimentFile,
  type ExperimentFiles,
  type ExperimentTrial,
  type JsonValue,
  type TrialConfig,
} from '@trainyard/protocol';
import { listProduct, productSize, withSetting } from './list-product.ts';
import { mergeSettings, unfilled } from './merge-settings.ts';

/** A trial with the effective configs of its runs. */
export interface PlannedTrial {
  readonly name: string;
  readonly runs: readonly TrialConfig[];
}

/** What is wrong with the files taken together. */
export interface ExperimentFault {
  readonly file: ExperimentFile;
  readonly path: readonly (string | number)[];
  readonly message: string;
}

export type ExperimentPlan =
  | { readonly ok: true; readonly trials: readonly PlannedTrial[] }
  | { readonly ok: false; readonly faults: readonly ExperimentFault[] };

/**
 * Trials times repeats, each with its effective config: the settings of `base` with those of the trial put over
 * them, the args of `env` likewise, and a seed that depends on the experiment's seed and the names of trial and
 * repeat only, so that a trial more changes no other. Finds every fault.
 */
export function planExperiment(files: ExperimentFiles): ExperimentPlan {
  const faults: ExperimentFault[] = [];
  const trials: PlannedTrial[] = [];
  const names = new Map<string, number>();
  let runs = 0;
  for (const [at, trial] of files.trials.entries()) {
    const fault = (path: readonly (string | number)[], message: string) =>
      faults.push({ file: 'trials', path: [at, ...path], message });
    const { seeds, repeat, product } = trial;
    if (seeds !== undefined && seeds.length !== repeat)
      fault(
        ['seeds'],
        `trial "${trial.name}" has ${repeat} repeats and ${seeds.length} seeds; give one each`,
      );
    runs += repeat * productSize(product ?? {});
    if (runs > DEFINITION_LIMITS.maxExpandedRuns) {
      fault(
        [],
        `with trial "${trial.name}" there are ${runs} runs; an experiment has at most ${DEFINITION_LIMITS.maxExpandedRuns}`,
      );
      break;
    }
    for (const each of variantsOf(trial, fault)) {
      if (names.has(each.name))
        fault(['name'], `"${each.name}" is also the name of trial ${names.get(each.name)! + 1}`);
      names.set(each.name, at);
      const settings = mergeSettings(files.base, each.settings) as Record<string, JsonValue>;
      const args = mergeSettings(files.env.args, each.args) as Record<string, JsonValue>;
      for (const [where, value] of Object.entries({ settings, args })) {
        for (const path of unfilled(value))
          fault([where], `${where}.${path} of trial "${each.name}" is "?": the trial has to give a value`);
      }
      trials.push({ name: each.name, runs: runsOf(files, each, { settings, args }) });
    }
  }
  return faults.length > 0 ? { ok: false, faults } : { ok: true, trials };
}

/** The trial itself, or one for each combination of its lists. */
function variantsOf(
  trial: ExperimentTrial,
  fault: (path: readonly (string | number)[], message: string) => void,
): ExperimentTrial[] {
  const { product, ...alone } = trial;
  if (product === undefined) return [alone];
  try {
    return listProduct(product).map((values, number) => {
      let settings = alone.settings;
      for (const [path, value] of Object.entries(values)) settings = withSetting(settings, path, value);
      return { ...alone, name: `${trial.name}-${number}`, settings };
    });
  } catch (error) {
    fault(
      ['product'],
      `the product of trial "${trial.name}" does not fit its settings: ${(error as Error).message}`,
    );
    return [];
  }
}

function runsOf(
  { env, experiment }: ExperimentFiles,
  trial: ExperimentTrial,
  effective: Pick<TrialConfig, 'settings' | 'args'>,
): TrialConfig[] {
  const { name, id = null, desc = null, settings } = experiment;
  return Array.from({ length: trial.repeat }, (_, repeat) => ({
    experiment: { name, id, desc, settings },
    trial: { name: trial.name, id: trial.id ?? null },
    repeat,
    seed: trial.seeds?.[repeat] ?? seedOf(experiment.seed, trial.name, repeat),
    device: env.device,
    verbose: env.verbose,
    debug: env.debug,
    args: effective.args,
    settings: effective.settings,
    trackers: env.trackers,
    workspace: env.workspace,
  }));
}

/** 31 bits, the same for the same words on every machine. */
function seedOf(seed: number, trial: string, repeat: number): number {
  const digest = createHash('sha256')
    .update(JSON.stringify([seed, trial, repeat]))
    .digest();
  return digest.readUInt32BE(0) >>> 1;
}
