/** Lines kept in the page: at 20 px a line this stays below the tallest element that browsers can scroll. */
export const MAX_ROWS = 400_000;

export interface LogRow {
  /** Byte offset of the line in the attempt's log. */
  readonly offset: number;
  /** Epoch milliseconds at which the server (or, for live lines, the page) received it. */
  readonly atMs: number | undefined;
  readonly text: string;
}

export interface LinesPage {
  readonly items: readonly { readonly offset: number; readonly time: string | null; readonly text: string }[];
  readonly nextOffset: number;
}

/**
 * A window of whole lines onto the log of one attempt, from `startOffset` to `endOffset` in bytes. It grows
 * at both ends; beyond 400,000 lines it lets go of the oldest ones. Every method that adds returns how
 * many rows were added or removed at the top, by which the page moves its scroll position.
 */
export class LogWindow {
  #rows: LogRow[] = [];
  #startOffset = 0;
  #endOffset = 0;
  /** The last row has no line end yet; what comes next belongs to it. */
  #open = false;
  #maxRows: number;

  constructor(maxRows = MAX_ROWS) {
    this.#maxRows = maxRows;
  }

  get rows(): readonly LogRow[] {
    return this.#rows;
  }
  get startOffset(): number {
    return this.#startOffset;
  }
  get endOffset(): number {
    return this.#endOffset;
  }

  /** Begins anew with a page of whole lines. */
  reset(page: LinesPage): void {
    this.#rows = page.items.map(toRow);
    this.#startOffset = page.items[0]?.offset ?? page.nextOffset;
    this.#endOffset = page.nextOffset;
    this.#open = endsOpen(page);
  }

  /** Adds lines after the end, as the lines API gives them. Returns the rows dropped at the top. */
  appendPage(page: LinesPage): number {
    const fresh = page.items.filter((item) => item.offset >= this.#endOffset);
    for (const item of fresh) this.#rows.push(toRow(item));
    if (page.nextOffset > this.#endOffset) {
      this.#endOffset = page.nextOffset;
      this.#open = endsOpen(page);
    }
    return this.#trimTop();
  }

  /**
   * Adds live text. `gap` means bytes before it are missing and have to be read; nothing was added. Text that
   * overlaps what is there already is cut.
   */
  appendText(chunk: { offset: number; nextOffset: number; text: string }, atMs: number): number | 'gap' {
    if (chunk.offset > this.#endOffset) return 'gap';
    if (chunk.nextOffset <= this.#endOffset) return 0;
    const text =
      chunk.offset < this.#endOffset ? dropBytes(chunk.text, this.#endOffset - chunk.offset) : chunk.text;
    let offset = this.#endOffset;
    const lines = text.split('\n');
    const last = lines.pop() ?? '';
    for (const line of lines) offset = this.#addLine(line, offset, atMs, true);
    if (last !== '') this.#addLine(last, offset, atMs, false);
    this.#endOffset = chunk.nextOffset;
    return this.#trimTop();
  }

  /**
   * Adds older lines at the top; lines at or after the start are left out. A page that was asked for from the
   * middle of the log may begin within a line; `cutFirst` leaves that one out. Returns how many were added.
   */
  prependPage(page: LinesPage, cutFirst: boolean): number {
    const older = page.items.filter((item) => item.offset < this.#startOffset);
    if (cutFirst && older.length > 1) older.shift();
    const [first] = older;
    if (first === undefined) return 0;
    const room = Math.max(0, this.#maxRows - this.#rows.length);
    const kept = room < older.length ? older.slice(older.length - room) : older;
    this.#rows = [...kept.map(toRow), ...this.#rows];
    this.#startOffset = kept[0]?.offset ?? this.#startOffset;
    return kept.length;
  }

  #addLine(line: string, offset: number, atMs: number, ended: boolean): number {
    if (this.#open) this.#extendLast(line);
    else this.#rows.push({ offset, atMs, text: line });
    this.#open = !ended;
    return offset + utf8Length(line) + (ended ? 1 : 0);
  }

  #extendLast(text: string): void {
    const last = this.#rows.at(-1);
    if (last === undefined) return;
    this.#rows[this.#rows.length - 1] = { ...last, text: last.text + text };
  }

  #trimTop(): number {
    const extra = this.#rows.length - this.#maxRows;
    if (extra <= 0) return 0;
    // A tenth more at once, so that a long log does not move the whole array for each line.
    const drop = Math.min(this.#rows.length, extra + Math.floor(this.#maxRows / 10));
    this.#rows = this.#rows.slice(drop);
    this.#startOffset = this.#rows[0]?.offset ?? this.#endOffset;
    return drop;
  }
}

/** Bytes of a text in UTF-8. */
export function utf8Length(text: string): number {
  let bytes = text.length;
  for (let i = 0; i < text.length; i += 1) {
    const unit = text.charCodeAt(i);
    if (unit > 0x7ff) bytes += 2;
    else if (unit > 0x7f) bytes += 1;
    // The two halves of a pair are four bytes together, where the lines above count six.
    if (unit >= 0xd800 && unit <= 0xdbff) bytes -= 2;
  }
  return bytes;
}

function dropBytes(text: string, bytes: number): string {
  return new TextDecoder().decode(new TextEncoder().encode(text).subarray(bytes));
}

function toRow(item: LinesPage['items'][number]): LogRow {
  const atMs = item.time === null ? undefined : Date.parse(item.time);
  return { offset: item.offset, atMs, text: item.text };
}

/** A page ends within a line when the next offset is right behind the text, with no line end between. */
function endsOpen(page: LinesPage): boolean {
  const last = page.items.at(-1);
  return last !== undefined && page.nextOffset <= last.offset + utf8Length(last.text);
}
