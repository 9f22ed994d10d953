import { resolve } from 'node:path';
import { JOB_KINDS, type JobKind, type JobSpec } from './job-spec.ts';
import { between, type Random, weighted } from './random.ts';

const PROGRAM = resolve(import.meta.dirname, 'soak-job.ts');
const KIND_WEIGHTS = {
  plain: 4,
  burst: 2,
  partial: 2,
  forking: 2,
  failing: 2,
  crashing: 1,
  doomed: 1,
  steady: 4,
  stubborn: 1,
} as const satisfies Record<JobKind, number>;

/** A pipeline of the soak, and what its jobs do by the path of their stage. */
export interface SoakPipeline {
  readonly definition: Record<string, unknown>;
  readonly specs: ReadonlyMap<string, JobSpec>;
}

export const JOBS_PER_PIPELINE = 10;

/** Ten jobs: side by side, one after another, in pipelines in pipelines, and in a foreach. Follows from the seed. */
export function planPipeline(random: Random, index: number, ledgerDir: string): SoakPipeline {
  const specs = new Map<string, JobSpec>();
  const job = (path: string, more: Record<string, unknown> = {}, kind = weighted(random, KIND_WEIGHTS)) => {
    const spec = planJob(random, kind);
    specs.set(path, spec);
    return {
      name: path.split('/').at(-1),
      job: {
        command: ['node', PROGRAM],
        env: { SOAK_SPEC: JSON.stringify(spec), SOAK_LEDGER: ledgerDir },
        grace: '1s',
      },
      // More tries than the faults of the soak use up, unless the job is to fail for good.
      retry: { attempts: kind === 'doomed' ? 2 : 6, backoff: '100ms' },
      ...more,
    };
  };
  const lasting = () =>
    weighted(random, { plain: 2, burst: 1, partial: 1, forking: 1, failing: 1, crashing: 1 });
  const definition = {
    name: `soak-${index}`,
    stages: [
      job('first', {}, lasting()),
      job('second', { dependsOn: ['first'] }),
      job('alone'),
      {
        name: 'nest',
        pipeline: {
          stages: [
            job('nest/first', {}, lasting()),
            job('nest/second', { dependsOn: ['first'] }),
            { name: 'deep', pipeline: { stages: [job('nest/deep/left'), job('nest/deep/right')] } },
          ],
        },
      },
      job('each', { foreach: { item: 'n', in: [1, 2, 3] } }),
    ],
  };
  return { definition, specs };
}

function planJob(random: Random, kind: JobKind): JobSpec {
  const isLong = JOB_KINDS[kind].isHeld && kind !== 'doomed';
  return {
    kind,
    steps: isLong ? between(random, 30, 50) : between(random, 8, 25),
    pauseMs: between(random, 20, 60),
    failures:
      kind === 'doomed' ? null : kind === 'failing' || kind === 'crashing' ? between(random, 1, 2) : 0,
    exitCode: kind === 'crashing' ? 137 : between(random, 1, 100),
  };
}
