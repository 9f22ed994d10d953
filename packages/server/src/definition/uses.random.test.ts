import { DEFINITION_LIMITS } from '@trainyard/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { checkDefinition, parseDefinition } from './index.ts';

/** For each template the templates that its stages use; numbers beyond the last template are jobs. */
type Wiring = readonly (readonly number[])[];

const wiring = fc.integer({ min: 1, max: 12 }).chain((count) =>
  fc.array(fc.array(fc.integer({ min: 0, max: count + 6 }), { minLength: 1, maxLength: 3 }), {
    minLength: count,
    maxLength: count,
  }),
);

/** Template 0 is used by the file. */
function fileOf(templates: Wiring) {
  const bodies = templates.map((targets, index) => [
    `t${index}`,
    {
      params: { depth: { type: 'integer' } },
      stages: targets.map((target, place) => ({
        name: `s${place}`,
        ...(target < templates.length
          ? { pipeline: { use: `t${target}`, params: { depth: '${{ params.depth + 1 }}' } } }
          : { job: { command: ['echo', '${{ params.depth }}'] } }),
      })),
    },
  ]);
  return {
    name: 'random',
    templates: Object.fromEntries(bodies),
    stages: [{ name: 'root', pipeline: { use: 't0', params: { depth: 1 } } }],
  };
}

/** Levels and stages by the simplest means: undefined when a template reaches itself. */
function measure(
  templates: Wiring,
  at: number,
  seen: readonly number[],
): { levels: number; stages: number } | undefined {
  if (seen.includes(at)) return undefined;
  let [levels, stages] = [1, 0];
  for (const target of templates[at]!) {
    stages += 1;
    if (target >= templates.length) continue;
    const inner = measure(templates, target, [...seen, at]);
    if (inner === undefined) return undefined;
    levels = Math.max(levels, 1 + inner.levels);
    stages += inner.stages;
  }
  return { levels, stages };
}

it('puts in whatever fits the limits, exactly, and refuses all else, whatever templates use each other', () => {
  let accepted = 0;
  fc.assert(
    fc.property(wiring, (templates) => {
      const file = fileOf(templates);
      const checked = parseDefinition(JSON.stringify(file));
      const sizes = templates.map((_, index) => measure(templates, index, []));
      // A template that could never be used is refused too.
      const fits = sizes.every(
        (size, index) =>
          size !== undefined && size.levels + (index === 0 ? 1 : 0) <= DEFINITION_LIMITS.maxDepth,
      );
      if (!fits) {
        expect(checked.ok).toBe(false);
        if (!checked.ok)
          expect(checked.faults[0]!.message).toContain('DAG nesting depth exceeds limit (10): ');
        return;
      }
      accepted += 1;
      if (!checked.ok) throw new Error(checked.faults[0]!.message);
      expect(checked.plan.nodes.length).toBe(2 + sizes[0]!.stages);
      expect(
        Math.max(...checked.plan.nodes.filter((node) => node.isGroup).map((node) => node.depth)) + 1,
      ).toBe(1 + sizes[0]!.levels);
      expect(checkDefinition(JSON.parse(JSON.stringify(checked.expansion!.json)))).toMatchObject({
        ok: true,
        definition: checked.definition,
      });
    }),
    { numRuns: 500 },
  );
  expect(accepted).toBeGreaterThan(20);
});
