import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import type { MetricValues } from '../metrics/metric-scope.ts';
import type { Callback, CallbackEnd } from './callback.ts';

interface MetricsCsvState {
  readonly columns: readonly string[];
  readonly text: string;
}

/**
 * Writes a CSV file with a row `EPOCH` for each epoch and a row `FINAL` for the run. Columns are the metrics in the
 * order in which they first came; a row without one says `nan`. A new metric rewrites the file with its column.
 */
export class MetricsCsv implements Callback {
  readonly name: string;
  readonly #path: string;
  #columns: string[] = [];

  constructor(path = 'metrics.log') {
    this.#path = path;
    this.name = `metrics-csv ${path}`;
  }

  onRunStart(): void {
    this.#columns = [];
    mkdirSync(dirname(this.#path), { recursive: true });
    writeFileSync(this.#path, `${[...LEADING].join(',')}\n`);
  }

  /** The rows so far: those that a run wrote behind the checkpoint that it resumes from are written anew. */
  state(): MetricsCsvState {
    return { columns: [...this.#columns], text: readFileSync(this.#path, 'utf8') };
  }

  restore(state: unknown): void {
    const { columns, text } = state as MetricsCsvState;
    this.#columns = [...columns];
    writeFileSync(this.#path, text);
  }

  onEpochEnd({ level, metrics }: CallbackEnd): void {
    this.#append('EPOCH', String(level.index), metrics);
  }

  onRunEnd({ metrics }: CallbackEnd): void {
    this.#append('FINAL', '', metrics);
  }

  #append(row: 'EPOCH' | 'FINAL', epoch: string, metrics: MetricValues): void {
    const values = new Map([...metrics.entries()].map(([name, { total }]) => [name, total]));
    const added = [...values.keys()].filter((name) => !this.#columns.includes(name));
    if (added.length > 0) this.#widen(added);
    const cells = this.#columns.map((name) => cell(values.get(name) ?? Number.NaN));
    appendFileSync(this.#path, `${[row, epoch, ...cells].join(',')}\n`);
  }

  #widen(added: readonly string[]): void {
    this.#columns.push(...added);
    const [, ...rows] = readFileSync(this.#path, 'utf8').trimEnd().split('\n');
    const head = [...LEADING, ...this.#columns.map(quoted)].join(',');
    const padded = rows.map((row) => row + ',nan'.repeat(added.length));
    writeFileSync(this.#path, `${[head, ...padded].join('\n')}\n`);
  }
}

const LEADING = ['row', 'epoch'] as const;

function cell(value: number): string {
  return Number.isNaN(value) ? 'nan' : String(value);
}

function quoted(name: string): string {
  return /[",\n]/.test(name) ? `"${name.replaceAll('"', '""')}"` : name;
}
