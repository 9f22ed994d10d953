import type { Step, Value } from './behaviour-case.ts';

export const epoch = (n: number, ...steps: Step[]): Step => ({ do: 'epoch', n, steps });
export const batch = (n: number, ...steps: Step[]): Step => ({ do: 'batch', n, steps });
export const eachEpoch = (count: number, ...steps: Step[]): Step => ({ do: 'eachEpoch', count, steps });
export const attempt = (...steps: Step[]): Step => ({ do: 'attempt', steps });
export const setEpoch = (name: string, value: Value): Step => ({ do: 'set', of: 'epoch', name, value });
export const setBatch = (name: string, value: Value): Step => ({ do: 'set', of: 'batch', name, value });
export const setRun = (name: string, value: Value): Step => ({ do: 'set', of: 'run', name, value });
export const track = (name: string, value: Value, step?: number): Step => ({
  ...{ do: 'track', name, value },
  ...(step !== undefined && { step }),
});
export const beginEpoch = (n: number): Step => ({ do: 'beginEpoch', n });
export const endEpoch: Step = { do: 'endEpoch' };
export const stop = (reason: string): Step => ({ do: 'stop', reason });
export const stopEpoch = (reason: string): Step => ({ do: 'stopEpoch', reason });
export const fail = (message: string): Step => ({ do: 'throw', message });
export const cancelled: Step = { do: 'cancelled' };
