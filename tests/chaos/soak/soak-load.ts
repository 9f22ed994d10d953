import type { Attempt, RunTree } from '@trainyard/protocol';
import { flatten } from '../../support/api.ts';
import type { JobSpec } from './job-spec.ts';
import type { PatientClient } from './patient-client.ts';
import type { SoakPipeline } from './soak-plan.ts';

/** One job of the soak: a leaf of a run tree. */
export interface SoakJob {
  readonly run: RunTree;
  readonly spec: JobSpec;
}

interface Submitted {
  readonly id: string;
  readonly pipeline: SoakPipeline;
  tree: RunTree;
}

/** The pipelines of the soak at the server: submits them a few at a time, and knows how their jobs are. */
export class SoakLoad {
  readonly #client: PatientClient;
  readonly #waiting: SoakPipeline[];
  readonly #atOnce: number;
  readonly #submitted: Submitted[] = [];
  #moves = 0;

  constructor(client: PatientClient, pipelines: readonly SoakPipeline[], atOnce: number) {
    this.#client = client;
    this.#waiting = [...pipelines];
    this.#atOnce = atOnce;
  }

  /** Submits what may be, and looks at what has not ended. */
  async tick(): Promise<void> {
    const active = this.#submitted.filter(({ tree }) => tree.endedAt === null);
    for (let free = this.#atOnce - active.length; free > 0 && this.#waiting.length > 0; free -= 1) {
      await this.#submit(this.#waiting.shift()!);
    }
    for (const one of this.#submitted) {
      if (one.tree.endedAt !== null) continue;
      const before = one.tree;
      one.tree = await this.#tree(one.id);
      if (statuses(before) !== statuses(one.tree)) this.#moves += 1;
    }
  }

  /** Grows when a job was seen to have come further. */
  get moves(): number {
    return this.#moves;
  }

  get hasEnded(): boolean {
    return this.#waiting.length === 0 && this.#submitted.every(({ tree }) => tree.endedAt !== null);
  }

  get trees(): readonly RunTree[] {
    return this.#submitted.map(({ tree }) => tree);
  }

  jobs(): SoakJob[] {
    return this.#submitted.flatMap(({ tree, pipeline }) =>
      flatten(tree)
        .filter((run) => run.kind === 'job' && run.children.length === 0)
        .map((run) => ({ run, spec: specOf(run, pipeline) })),
    );
  }

  async attempts(runId: string): Promise<Attempt[]> {
    return (await this.#client.json<{ items: Attempt[] }>(`/api/v1/runs/${runId}/attempts`)).items;
  }

  async #submit(pipeline: SoakPipeline): Promise<void> {
    const { definition } = pipeline;
    const key = { 'idempotency-key': String(definition['name']) };
    const { status, bytes } = await this.#client.post('/api/v1/runs', { definition }, key);
    if (status >= 300) throw new Error(`submit: ${status} ${bytes.toString()}`);
    const { id } = JSON.parse(bytes.toString()) as { id: string };
    this.#submitted.push({ id, pipeline, tree: await this.#tree(id) });
  }

  #tree(id: string): Promise<RunTree> {
    return this.#client.json<RunTree>(`/api/v1/runs/${id}/tree`);
  }
}

/** Items of a foreach have the number of the item at the end of their path. */
function specOf(run: RunTree, { specs }: SoakPipeline): JobSpec {
  const spec = specs.get(run.path) ?? specs.get(run.path.replace(/[/[]\d+\]?$/, ''));
  if (spec === undefined) throw new Error(`there is no spec of stage ${run.path}`);
  return spec;
}

function statuses(tree: RunTree): string {
  return flatten(tree)
    .map((run) => `${run.status} ${run.attempt}`)
    .join();
}
