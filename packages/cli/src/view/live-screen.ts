const HIDE_CURSOR = '\u001b[?25l';
const SHOW_CURSOR = '\u001b[?25h';
const ERASE_LINE = '\u001b[2K';
const ERASE_BELOW = '\u001b[0J';

/** The part of a terminal stream that drawing takes. */
export interface ScreenStream {
  write(text: string): unknown;
  readonly columns?: number | undefined;
  readonly rows?: number | undefined;
}

/** Lines at the end of a terminal that are drawn over again and again. */
export class LiveScreen {
  readonly #stream: ScreenStream;
  #drawn: readonly string[] = [];
  #isHidden = false;
  readonly #onExit = (): void => this.#showCursor();

  constructor(stream: ScreenStream) {
    this.#stream = stream;
  }

  get width(): number {
    return Math.max(20, (this.#stream.columns ?? 80) - 1);
  }

  /** One line stays free for the cursor, one for the shell's prompt before. */
  get height(): number {
    return Math.max(3, (this.#stream.rows ?? 24) - 2);
  }

  /** Draws over what was drawn last; writes only when something changed. */
  draw(lines: readonly string[]): void {
    if (lines.length === this.#drawn.length && lines.every((line, i) => line === this.#drawn[i])) return;
    if (!this.#isHidden) {
      this.#isHidden = true;
      process.once('exit', this.#onExit);
    }
    const up = this.#drawn.length === 0 ? '' : `\u001b[${this.#drawn.length}A`;
    const text = lines.map((line) => `${ERASE_LINE}${line}\n`).join('');
    this.#stream.write(`${HIDE_CURSOR}${up}${text}${ERASE_BELOW}`);
    this.#drawn = lines;
  }

  /** Leaves what is drawn and gives the terminal back. */
  end(): void {
    this.#showCursor();
    process.off('exit', this.#onExit);
    this.#drawn = [];
  }

  #showCursor(): void {
    if (this.#isHidden) this.#stream.write(SHOW_CURSOR);
    this.#isHidden = false;
  }
}
