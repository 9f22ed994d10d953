import { type ElementType, encodeArray } from './array-parameter.ts';

/** By name: what each column holds, and what of a row that is. */
export type Columns<Row> = Readonly<Record<string, readonly [type: ElementType, of: (row: Row) => unknown]>>;

/** A column of rows that go into a statement as parameters. */
interface RowColumn<Row> {
  readonly name: string;
  readonly type: ElementType;
  readonly of: (row: Row) => unknown;
}

/**
 * Many rows as parameters of one statement: an array for each column, in the binary format of PostgreSQL. Reading
 * rows from JSON text takes the database several times as long; it was a third of what a finished stage cost it.
 */
export class RowColumns<Row> {
  readonly #columns: readonly RowColumn<Row>[];

  constructor(columns: Columns<Row>) {
    this.#columns = Object.entries(columns).map(([name, [type, of]]) => ({ name, type, of }));
  }

  /** Number of parameters. */
  get count(): number {
    return this.#columns.length;
  }

  /** The rows as an item of FROM, called x. `first` is the number of the first of the parameters. */
  from(first: number): string {
    const arrays = this.#columns.map(({ type }, index) => `$${first + index}::${type}[]`);
    return `unnest(${arrays.join(', ')}) as x(${this.#columns.map(({ name }) => name).join(', ')})`;
  }

  values(rows: readonly Row[]): Buffer[] {
    return this.#columns.map(({ type, of }) => encodeArray(type, rows, of));
  }
}
