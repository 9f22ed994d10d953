import type { RuleParameters } from '@trainyard/protocol';
import { type Detector, eachKeyAlone, HEALTHY, type RolePoint, type Rule, readable } from '../rule.ts';
import { mean, quantile, SlidingWindow } from '../window.ts';

/** Below this 95th percentile, in percent, a GPU does next to nothing. */
const NEXT_TO_NOTHING = 10;
/** Memory that leaks grows in the last quarter by at least this part of what it grew in each on average. */
const STEADY = 0.5;

/** A GPU that is paid for and not used, or used in gusts. */
export const gpuIdle: Rule<RuleParameters<'gpu_idle'>> = {
  roles: ['gpu_utilization'],
  groupsOf: eachKeyAlone,
  start({ window, utilization, low }) {
    return overWindow(window, (points) => {
      const values = points.map(({ value }) => value);
      const [often, seldom] = [quantile(values, 0.95), quantile(values, 0.05)];
      const { key } = points[0]!;
      if (often < utilization) {
        return {
          severity: often < NEXT_TO_NOTHING ? 'medium' : 'low',
          message: () =>
            `${key} stayed below ${readable(often)} % in 95 of 100 points: the GPU waits for something.`,
        };
      }
      if (seldom >= low) return undefined;
      return {
        severity: 'low',
        message: () =>
          `${key} goes up and down between ${readable(seldom)} % and ${readable(often)} %: the GPU waits in between.`,
      };
    });
  },
};

/** Memory that is never given back: the job will end for want of it. */
export const gpuMemoryGrowth: Rule<RuleParameters<'gpu_memory_growth'>> = {
  roles: ['gpu_memory'],
  groupsOf: eachKeyAlone,
  start({ window, growth }) {
    return overWindow(window, (points) => {
      const quarter = Math.floor(points.length / 4);
      const means = [0, 1, 2, 3].map((at) =>
        mean(points.slice(at * quarter, at === 3 ? undefined : (at + 1) * quarter).map(({ value }) => value)),
      );
      const [begin, end] = [means[0]!, means[3]!];
      const grows = means.every((value, at) => at === 0 || value > means[at - 1]!);
      // What is taken at the start of a training grows as well, less and less.
      const goesOn = end - means[2]! >= (STEADY * (end - begin)) / 3;
      if (!grows || !goesOn || end <= begin * (1 + growth)) return undefined;
      return {
        severity: 'medium',
        message: () =>
          `${points[0]!.key} grew from ${readable(begin)} to ${readable(end)} and goes on: something is kept that should be let go.`,
      };
    });
  },
};

/** The GPU waits while the processor is busy: loading or preparing data is what the training waits for. */
export const loaderBound: Rule<RuleParameters<'loader_bound'>> = {
  roles: ['gpu_utilization', 'cpu_utilization'],
  // All GPUs of a job and its processor together.
  groupsOf: () => ['system'],
  start({ window, gpu, cpu, share }) {
    let processor: number | undefined;
    const judge = overWindow(window, (points) => {
      const bound = points.filter((point) => point.isBound).length;
      if (bound / points.length < share) return undefined;
      return {
        severity: 'medium',
        message: () =>
          `In ${bound} of ${points.length} points the GPU was below ${readable(gpu)} % while the processor was above ${readable(cpu)} %: loading data holds the training up.`,
      };
    });
    return {
      take(point) {
        if (!Number.isFinite(point.value)) return undefined;
        if (point.role === 'cpu_utilization') {
          processor = point.value;
          return undefined;
        }
        if (processor === undefined) return undefined;
        return judge.take({ ...point, isBound: point.value < gpu && processor > cpu });
      },
    };
  },
};

interface Judged extends RolePoint {
  readonly isBound?: boolean;
}

/** Judges the window anew with each point once it is full. */
function overWindow(
  size: number,
  judge: (
    points: readonly Judged[],
  ) => { readonly severity: 'low' | 'medium'; readonly message: () => string } | undefined,
): { take(point: Judged): ReturnType<Detector['take']> } {
  const seen = new SlidingWindow<Judged>(size);
  let first: RolePoint | undefined;
  return {
    take(point) {
      if (!Number.isFinite(point.value)) return undefined;
      seen.add(point);
      if (!seen.isFull) return undefined;
      const points = seen.slice();
      const found = judge(points);
      if (found === undefined) {
        first = undefined;
        return HEALTHY;
      }
      first ??= points[0]!;
      return {
        ...found,
        evidence: {
          firstStep: first.step,
          lastStep: point.step,
          firstTime: first.time,
          lastTime: point.time,
        },
      };
    },
  };
}
