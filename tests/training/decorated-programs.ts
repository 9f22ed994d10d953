import {
  batchWrapper,
  epochWrapper,
  type LevelStatus,
  LifecycleMisuse,
  runWrapper,
  WrappedPipeline,
} from '../../packages/training/src/index.ts';
import { recorder } from '../../packages/training/src/testing/recorder.ts';

/**
 * Programs with decorators. Node's type stripping and Vitest's transformer run none, so `decorators.test.ts` starts
 * this file under tsx. It prints what was told of each program, by its name, as JSON.
 */
interface Params {
  readonly does: 'completes' | 'stops' | 'says stopped' | 'throws' | 'handles' | 'answers a number';
}

class Older extends WrappedPipeline<Params, 'f1'> {
  @runWrapper
  async run(): Promise<{ done: boolean } | undefined> {
    const statuses: LevelStatus[] = [];
    for (let epoch = 0; epoch < 2; epoch += 1) {
      try {
        statuses.push(await this.runEpoch(epoch));
      } catch (error) {
        if (this.params.does !== 'handles') throw error;
      }
    }
    this.runMetrics.set('f1', statuses.length);
    return { done: true };
  }

  @epochWrapper
  async runEpoch(epoch: number): Promise<LevelStatus> {
    for (let batch = 0; batch < 2; batch += 1) await this.runBatch(batch, epoch);
    this.epochMetrics.set('train_loss', 1 / (epoch + 1));
    if (this.params.does === 'answers a number') return epoch as never;
    return this.params.does === 'says stopped' && epoch === 0 ? 'stopped' : 'completed';
  }

  @batchWrapper
  async runBatch(batch: number, epoch: number): Promise<void> {
    this.batchMetrics.set('train_loss', epoch + batch);
    this.epochMetrics.set('train_acc', batch);
    if (epoch === 0 && batch === 1 && this.params.does === 'stops') this.stop('enough');
    if (epoch === 0 && batch === 1 && /throws|handles/.test(this.params.does)) throw new RangeError('lost');
  }
}

class TwiceWrapped extends Older {
  @epochWrapper
  override async runEpoch(epoch: number): Promise<LevelStatus> {
    return super.runEpoch(epoch);
  }
}

async function told(make: typeof Older, does: Params['does']): Promise<unknown> {
  const { calls, tracker, callback } = recorder();
  const program = new make({
    ...{ params: { does }, metrics: { f1: {} }, trackers: [tracker], callbacks: [callback] },
    handleSignals: false,
  });
  const outcome = await program.run().catch((error: unknown) => String(error));
  return { calls, outcome: outcome ?? null, status: program.outcome ?? null };
}

const refusals = {
  'an epoch that is not wrapped': () => {
    class Forgetful extends WrappedPipeline {
      @runWrapper
      async run(): Promise<undefined> {}
      async runEpoch(_epoch: number) {}
    }
    return new Forgetful();
  },
  'a batch whose override is not wrapped': () => {
    class Overriding extends Older {
      override async runBatch(_batch: number, _epoch: number) {}
    }
    return new Overriding({ params: { does: 'completes' } });
  },
  'a run that is not wrapped': () => {
    class Unwrapped extends WrappedPipeline {
      async run() {
        return { done: true };
      }
    }
    return new Unwrapped();
  },
  'a field': () => {
    class Fields extends WrappedPipeline {
      @runWrapper
      async run(): Promise<undefined> {}
      // @ts-expect-error A field is no method.
      @epochWrapper
      readonly go = async (_epoch: number) => {};
    }
    return new Fields();
  },
  'a static method': () => {
    class Statics extends Older {
      @batchWrapper
      static async go(_batch: number) {}
    }
    return Statics;
  },
  'a run of another name': () => {
    class Renamed extends WrappedPipeline {
      @runWrapper
      async go(): Promise<undefined> {}
      @runWrapper
      async run(): Promise<undefined> {}
    }
    return new Renamed();
  },
  'an epoch without its number': () => {
    class Numberless extends WrappedPipeline {
      @runWrapper
      async run(): Promise<undefined> {}
      // @ts-expect-error It takes no number.
      @epochWrapper
      async go(): Promise<void> {}
    }
    return new Numberless();
  },
  'a run whose type leaves out that it may be stopped': () => {
    class Hopeful extends WrappedPipeline {
      // @ts-expect-error It answers undefined when it was stopped.
      @runWrapper
      async run() {
        return { done: true };
      }
    }
    return new Hopeful();
  },
};

function refusal(make: () => unknown): string {
  try {
    make();
    return 'not refused';
  } catch (error) {
    return error instanceof LifecycleMisuse ? error.message : `not by us: ${String(error)}`;
  }
}

const programs: Record<string, unknown> = {};
for (const does of ['completes', 'stops', 'says stopped', 'throws', 'handles', 'answers a number'] as const) {
  programs[does] = await told(Older, does);
}
programs['wraps an epoch twice'] = await told(TwiceWrapped, 'completes');
const refused = Object.fromEntries(Object.entries(refusals).map(([name, make]) => [name, refusal(make)]));
console.log(JSON.stringify({ programs, refused }));
