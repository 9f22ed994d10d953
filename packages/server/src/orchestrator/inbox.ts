import { sql } from 'kysely';
import type { LiveBus } from '../live/live-bus.ts';
import type { Database } from '../store/database.ts';
import type { InboxRow } from './tree-work.ts';

/** Facts that one tick takes in: bounds the transaction. */
export const FACTS_PER_TICK = 2000;
/**
 * Nothing follows from the news that an attempt was claimed, so it waits for so long for what the attempt reports, and
 * is then written together with that.
 */
const CLAIM_LINGER_MS = 250;
/** With more trees than this, to send their ids costs more than to read facts that may be of others. */
const FEW_TREES = 100;
/** It is read at least so often, for announcements that got lost. */
const READ_EVERY_MS = 1000;

/** Ids of the root runs of this server's trees. */
type RootIds = Pick<ReadonlyMap<string, unknown>, 'size' | 'keys' | 'has'>;

/** The facts that wait for this server's trees. */
export class Inbox {
  readonly #database: Database;
  readonly #bus: LiveBus;
  readonly #wake: () => void;
  #hasNews = true;
  #readAtMs = 0;
  #linger: NodeJS.Timeout | undefined;

  constructor(options: { readonly database: Database; readonly bus: LiveBus; readonly wake: () => void }) {
    this.#database = options.database;
    this.#bus = options.bus;
    this.#wake = options.wake;
  }

  open(): void {
    this.#bus.on('inbox', this.#onFacts);
    this.#bus.on('claimed', this.#onClaims);
  }

  close(): void {
    this.#bus.off('inbox', this.#onFacts);
    this.#bus.off('claimed', this.#onClaims);
    clearTimeout(this.#linger);
  }

  /** True when nothing was announced since it was read. */
  get isQuiet(): boolean {
    return !this.#hasNews && performance.now() - this.#readAtMs < READ_EVERY_MS;
  }

  /** The oldest facts of these trees. */
  async read(trees: RootIds): Promise<InboxRow[]> {
    clearTimeout(this.#linger);
    this.#linger = undefined;
    this.#hasNews = false;
    this.#readAtMs = performance.now();
    if (trees.size === 0) return [];
    try {
      const rows = await this.#oldest(trees);
      if (rows.length === FACTS_PER_TICK) {
        this.#hasNews = true;
        return rows;
      }
      const ripe = withoutYoungClaims(rows, Date.now());
      if (ripe.length < rows.length) this.#waitForReports();
      return ripe;
    } catch (error) {
      this.#hasNews = true;
      throw error;
    }
  }

  async #oldest(trees: RootIds): Promise<InboxRow[]> {
    if (trees.size > FEW_TREES) {
      const { rows } = await sql<InboxRow>`
        select id, root_id, event from tree_inbox order by id limit ${FACTS_PER_TICK}`.execute(
        this.#database.kysely,
      );
      const own = rows.filter(({ root_id }) => trees.has(root_id));
      // A full page with facts of other servers' trees may hide some of ours behind it.
      if (rows.length < FACTS_PER_TICK || own.length === rows.length) return own;
    }
    const { rows } = await sql<InboxRow>`
      select id, root_id, event from tree_inbox
      where root_id = any(${[...trees.keys()]}::text[])
      order by id limit ${FACTS_PER_TICK}`.execute(this.#database.kysely);
    return rows;
  }

  readonly #onFacts = (): void => {
    this.#hasNews = true;
    this.#wake();
  };

  readonly #onClaims = (): void => this.#waitForReports();

  #waitForReports(): void {
    this.#linger ??= setTimeout(() => {
      this.#linger = undefined;
      this.#hasNews = true;
      this.#wake();
    }, CLAIM_LINGER_MS);
  }
}

/** Leaves young claims out where nothing else waits for their tree: it would overtake them. */
function withoutYoungClaims(rows: readonly InboxRow[], nowMs: number): InboxRow[] {
  const busy = new Set(rows.filter(({ event }) => event.kind !== 'claimed').map((row) => row.root_id));
  return rows.filter(({ root_id, event }) => {
    // The server that wrote it may have another clock.
    const isYoung = event.kind === 'claimed' && Math.abs(nowMs - event.at) < CLAIM_LINGER_MS;
    return !isYoung || busy.has(root_id);
  });
}
