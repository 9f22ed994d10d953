import type { Measured } from './peers/peer-protocol.ts';
import { OUR_COST, OURS, type System } from './peers/systems.ts';
import { machineLine, median, printTable } from './report.ts';

/** What one system of the durable bench gave. */
export interface Outcome {
  readonly system: System;
  readonly version: string;
  readonly measured: readonly Measured[];
  /** Why figures are missing, if any are. */
  readonly failure: string | undefined;
  /** Load of the machine over the last minute, before and after. */
  readonly load: number;
  readonly loadAfter: number;
}

interface Row {
  readonly name: string;
  readonly title: string;
  readonly unit: string;
  readonly isRate: boolean;
}

interface Place {
  readonly outcome: Outcome;
  readonly value: number;
  readonly rounds: number;
}

const ROWS: readonly Row[] = [
  {
    name: 'chain',
    title: 'Chain: from the start of a stage to that of the next',
    unit: 'ms p50',
    isRate: false,
  },
  { name: 'wide 1000', title: 'Fan-out of 1,000 and a join', unit: 'stages/s', isRate: true },
  { name: 'wide 10000', title: 'Fan-out of 10,000 and a join', unit: 'stages/s', isRate: true },
  { name: 'montage', title: 'Montage, 1,738 nodes', unit: 'ms/node', isRate: false },
];

/** Prints a table for each shape, best first, with how many times ours is as fast, and why it is not first. */
export function printDurable(
  outcomes: readonly Outcome[],
  versions: {
    readonly postgres: string;
    readonly redis: string | undefined;
    readonly python: string | undefined;
  },
): void {
  write(`${machineLine()}; medians of the rounds told; bodies do nothing`);
  const parts = [
    `PostgreSQL ${versions.postgres} with fsync and synchronous_commit on`,
    ...(versions.redis ? [`Redis ${versions.redis} with appendonly yes and appendfsync always`] : []),
    ...(versions.python ? [`Python ${versions.python}`] : []),
  ];
  write(parts.join('; '));
  const firsts = ROWS.map((row) => printRow(row, outcomes)).filter((first) => first !== undefined);
  write(`\n${OURS} is first in ${firsts.filter((first) => first === OURS).length} of ${firsts.length} rows`);
  if (firsts.some((first) => first !== OURS)) write(`what ours does beside: ${OUR_COST}`);
  write('\n## Load and what is missing');
  for (const { system, version, failure, load, loadAfter } of outcomes) {
    const name = `${system.name} ${version}`.trim();
    const missing = failure === undefined ? '' : `; ${failure}`;
    write(`${name}: load ${load.toFixed(1)} before, ${loadAfter.toFixed(1)} after${missing}`);
  }
}

/** Answers which system is first. */
function printRow(row: Row, outcomes: readonly Outcome[]): string | undefined {
  const places = placesOf(row, outcomes);
  if (places.length === 0) return undefined;
  const ours = places.find(({ outcome }) => outcome.system.name === OURS);
  write(`\n## ${row.title}`);
  printTable(
    ['system', row.unit, 'rounds', 'ours : it', ...(row.name === 'montage' ? ['how'] : [])],
    places.map((place) => [
      `${place.outcome.system.name} ${place.outcome.version}`.trim(),
      row.isRate ? Math.round(place.value).toLocaleString('en') : place.value.toFixed(2),
      place.rounds,
      ours === undefined ? '' : ratio(row, ours, place),
      ...(row.name === 'montage' ? [place.outcome.system.montage] : []),
    ]),
  );
  const first = places[0]!.outcome.system.name;
  write(`first: ${first}`);
  for (const { outcome } of places.slice(0, ours === undefined ? 0 : places.indexOf(ours))) {
    write(`${outcome.system.name} is ahead of us: ${outcome.system.whyFaster}`);
  }
  return first;
}

function placesOf({ name, isRate }: Row, outcomes: readonly Outcome[]): Place[] {
  return outcomes
    .map((outcome) => ({ outcome, values: outcome.measured.filter(({ row }) => row === name) }))
    .filter(({ values }) => values.length > 0)
    .map(({ outcome, values }) => ({
      outcome,
      value: median(values.map(({ value }) => value)),
      rounds: values.length,
    }))
    .toSorted((a, b) => (isRate ? b.value - a.value : a.value - b.value));
}

/** How many times as fast as it we are; over 1 means that we are faster. */
function ratio({ isRate }: Row, ours: Place, it: Place): string {
  if (it === ours) return '';
  return (isRate ? ours.value / it.value : it.value / ours.value).toFixed(2);
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}
