import { closest } from '@trainyard/protocol';

/** What a config says of one thing: its type by name, and settings for its factory. */
export interface TypedSettings {
  readonly type: string;
  readonly [setting: string]: unknown;
}

/** Makes something of its settings, without `type`. */
export type Factory<Product, Context> = (
  settings: Readonly<Record<string, unknown>>,
  context: Context,
) => Product;

/** No factory is registered under this name. */
export class UnknownType extends Error {
  override readonly name = 'UnknownType';
}

/** Factories by the name under which a config asks for them. */
export class Registry<Product, Context = undefined> {
  readonly #what: string;
  readonly #factories = new Map<string, Factory<Product, Context>>();

  /** @param what one of what it makes, for messages: "tracker" */
  constructor(what: string) {
    this.#what = what;
  }

  get types(): readonly string[] {
    return [...this.#factories.keys()];
  }

  /** @throws RangeError when the name is taken */
  register(type: string, factory: Factory<Product, Context>): this {
    if (this.#factories.has(type))
      throw new RangeError(`There is a ${this.#what} of type "${type}" already; choose another name.`);
    this.#factories.set(type, factory);
    return this;
  }

  /** @throws UnknownType naming those that there are, and what the factory throws */
  create({ type, ...settings }: TypedSettings, context: Context): Product {
    const factory = this.#factories.get(type);
    if (factory !== undefined) return factory(settings, context);
    const meant = closest(type, this.types);
    const known = this.types.length === 0 ? 'none is registered' : `there are ${this.types.join(', ')}`;
    throw new UnknownType(
      `There is no ${this.#what} of type "${type}"${meant === undefined ? '' : `; did you mean "${meant}"?`} (${known})`,
    );
  }
}
