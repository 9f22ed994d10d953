/** How far a job is, by what it reported, what its status file says and what its config plans. */
export interface JobProgress {
  readonly currentStep: number | undefined;
  readonly totalSteps: number | undefined;
  readonly currentEpoch: number | undefined;
  readonly totalEpochs: number | undefined;
  /** 0 to 100. */
  readonly percent: number | undefined;
}

interface ProgressInput {
  readonly hasCompleted: boolean;
  readonly latest: ReadonlyMap<string, { readonly step: number; readonly value: number }>;
  readonly statusFile: Readonly<Record<string, unknown>>;
  readonly config: Readonly<Record<string, unknown>>;
}

const TOTAL_STEPS = ['total_steps', 'totalSteps', 'max_steps', 'maxSteps', 'steps'];
const TOTAL_EPOCHS = ['total_epochs', 'num_train_epochs', 'num_epochs', 'numEpochs', 'epochs'];

/** Steps say more than epochs; without either plan nothing is known. */
export function jobProgress({ hasCompleted, latest, statusFile, config }: ProgressInput): JobProgress {
  const newestStep = Math.max(-1, ...[...latest.values()].map(({ step }) => step));
  const currentStep = numberOf(statusFile['current_step']) ?? (newestStep < 0 ? undefined : newestStep);
  const currentEpoch = latest.get('epoch')?.value ?? numberOf(statusFile['current_epoch']);
  const plans = [statusFile, config, sectionOf(config, 'training')];
  const totalSteps = firstNumber(plans, TOTAL_STEPS) ?? latest.get('total_steps')?.value;
  const totalEpochs = firstNumber(plans, TOTAL_EPOCHS);
  const part = hasCompleted ? 1 : (partOf(currentStep, totalSteps) ?? partOf(currentEpoch, totalEpochs));
  return {
    ...{ currentStep, totalSteps, currentEpoch, totalEpochs },
    percent: part === undefined ? undefined : Math.round(part * 1000) / 10,
  };
}

/** Seconds that are left at the pace so far. */
export function remainingSeconds(elapsedSeconds: number, percent: number | undefined): number | undefined {
  if (percent === undefined || percent <= 0) return undefined;
  return Math.round((elapsedSeconds * (100 - percent)) / percent);
}

function partOf(done: number | undefined, total: number | undefined): number | undefined {
  if (done === undefined || total === undefined || !(total > 0)) return undefined;
  return Math.min(1, Math.max(0, done / total));
}

function firstNumber(
  plans: readonly Readonly<Record<string, unknown>>[],
  keys: readonly string[],
): number | undefined {
  for (const plan of plans) {
    for (const key of keys) {
      const found = numberOf(plan[key]);
      if (found !== undefined && found > 0) return found;
    }
  }
  return undefined;
}

function sectionOf(config: Readonly<Record<string, unknown>>, key: string): Record<string, unknown> {
  const section = config[key];
  return typeof section === 'object' && section !== null ? (section as Record<string, unknown>) : {};
}

function numberOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
