// Text of docs/reference/dag-semantics.md: what the engine does, as tables of the data and functions it goes by.
import { isTerminal, nodeStatuses, skipReasons, transitions } from '../packages/dag/src/node-status.ts';
import {
  initialTally,
  judge,
  reasonOfSkip,
  tallyEnd,
  triggerRules,
} from '../packages/dag/src/trigger-rule.ts';
import { table, yes } from './markdown-table.mjs';

/** Every mix of ends that dependencies can have, at least one each. */
const MIXES = [
  ['success'],
  ['skip'],
  ['failure'],
  ['success', 'skip'],
  ['success', 'failure'],
  ['skip', 'failure'],
  ['success', 'skip', 'failure'],
];

export function dagSemanticsPage() {
  const statuses = Object.entries(nodeStatuses).map(([name, meaning]) => [code(name), meaning]);
  const rules = Object.entries(triggerRules).map(([name, meaning]) => [code(name), meaning]);
  const reasons = Object.entries(skipReasons).map(([name, { meaning, isFailure }]) => [
    code(name),
    meaning,
    yes(isFailure),
  ]);
  const terminal = Object.keys(nodeStatuses).filter(isTerminal).map(code).join(', ');
  const changes = transitions.map(({ from, to, of, when }) => [code(from), code(to), of, when]);
  return `# Semantics of pipelines

When a stage starts, when it is skipped and why, and every way in which its status may change, on one page. The [README of the engine](../../packages/dag/README.md) has the rules around them in words: fail policies, retries, deadlines, cancel, foreach. The [guide](../guides/pipelines.md) says how to write them.

This page is written by \`scripts/generate-reference.mjs\` from the tables of \`packages/dag\`, and the two tables of verdicts by asking the engine itself.

## Trigger rules

${table(['rule', 'the stage runs when'], rules)}

A dependency ends in one of three ways. *Success*: completed or stopped. *Failure*: failed, timed out, cancelled, or skipped because of a failure. *Skip*: skipped for any other reason. A nested pipeline and a foreach count when they have ended as a whole.

### When all dependencies have ended

${verdicts(MIXES, 0)}

### While some have not ended

${verdicts([[], ...MIXES], 1)}

A verdict other than *wait* is final: neither it nor the reason depends on what is still to end, so the order in which dependencies end never matters.

## Reasons of skipped stages

${table(['reason', 'meaning', 'counts as a failure'], reasons)}

A reason that counts as a failure is one for all that depends on the stage, too. The others are none, and leave their pipeline \`completed\`.

## Statuses of the engine

${table(['status', 'meaning'], statuses)}

A run shows more than the engine needs to know: [statuses of a run](statuses.md#of-a-run). Terminal, and so final, are ${terminal}.

## Transitions

Every change of status that there is. A *leaf* is a stage that does something itself, a *group* a nested pipeline, a foreach or an item of one.

${table(['from', 'to', 'of', 'when'], changes)}
`;
}

/** What each rule says for each mix of ends, with so many dependencies that have not ended. */
function verdicts(mixes, waiting) {
  const rows = Object.keys(triggerRules).map((rule) => [
    code(rule),
    ...mixes.map((mix) => {
      const tally = mix.reduce(tallyEnd, initialTally(mix.length + waiting));
      const verdict = judge(rule, tally);
      return verdict === 'skip' ? code(reasonOfSkip(rule, tally)) : verdict === 'run' ? '**run**' : verdict;
    }),
  ]);
  const heads = mixes.map((mix) => (mix.length === 0 ? 'nothing yet' : mix.join(', ')));
  return table(['rule', ...heads], rows);
}

function code(text) {
  return `\`${text}\``;
}
