import { describe, expect, it } from 'vitest';
import { rankCandidates } from './best-candidate.ts';

describe('rankCandidates', () => {
  const names = (
    candidates: Record<string, unknown>,
    metric = 'accuracy',
    direction: 'max' | 'min' = 'max',
  ) => rankCandidates(candidates, metric, direction).map((each) => each.name);

  it('puts the best first, whichever direction is better', () => {
    const candidates = { small: { accuracy: 0.9, loss: 0.3 }, large: { accuracy: 0.95, loss: 0.4 } };
    expect(names(candidates)).toEqual(['large', 'small']);
    expect(names(candidates, 'loss', 'min')).toEqual(['small', 'large']);
  });

  it('leaves equals in the order given', () => {
    expect(names({ b: { accuracy: 0.9 }, a: { accuracy: 0.9 } })).toEqual(['b', 'a']);
  });

  it('leaves out candidates without a finite metric', () => {
    expect(
      names({
        skipped: null,
        diverged: { accuracy: Number.NaN },
        endless: { accuracy: Infinity },
        text: { accuracy: '0.99' },
        other: { loss: 0.1 },
        fine: { accuracy: 0 },
      }),
    ).toEqual(['fine']);
  });
});
