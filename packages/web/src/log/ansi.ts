import Anser from 'anser';

/** A piece of a line in one style. Colours are CSS values; `undefined` is the colour of the log. */
export interface StyledText {
  readonly text: string;
  readonly colour: string | undefined;
  readonly background: string | undefined;
  readonly bold: boolean;
  readonly faint: boolean;
  readonly italic: boolean;
  readonly underline: boolean;
}

const ESCAPE = '\u001b';
/** Cursor movements, titles and links, which have no meaning in a log. Colours (`…m`) stay. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: escape sequences are what is looked for.
const NO_COLOUR = /\u001b(?:\[[0-9;?]*[A-LN-Za-ln-z]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[()][A-Z0-9])/g;

/**
 * Splits a line into styled pieces. A progress bar that writes itself anew after a carriage return shows its
 * last state, as on a terminal.
 */
export function styleLine(line: string): readonly StyledText[] {
  const text = lastState(line);
  if (!text.includes(ESCAPE)) return [plain(text)];
  return Anser.ansiToJson(text.replace(NO_COLOUR, ''), {
    use_classes: true,
    remove_empty: true,
    json: true,
  }).map((piece) => ({
    text: piece.content,
    colour: toColour(piece.fg, piece.fg_truecolor),
    background: toColour(piece.bg, piece.bg_truecolor),
    bold: piece.decorations.includes('bold'),
    faint: piece.decorations.includes('dim'),
    italic: piece.decorations.includes('italic'),
    underline: piece.decorations.includes('underline'),
  }));
}

/** The text after the last carriage return that does not stand at the end of the line. */
export function lastState(line: string): string {
  let end = line.length;
  while (end > 0 && line[end - 1] === '\r') end -= 1;
  const from = line.lastIndexOf('\r', end - 1);
  return from < 0 && end === line.length ? line : line.slice(from + 1, end);
}

function plain(text: string): StyledText {
  return {
    text,
    colour: undefined,
    background: undefined,
    bold: false,
    faint: false,
    italic: false,
    underline: false,
  };
}

/** The 16 named colours come from the theme, so that they can be read on light and on dark. */
function toColour(name: string | null, trueColour: string | null): string | undefined {
  if (name === null || name === '') return undefined;
  if (name === 'ansi-truecolor') return trueColour === null ? undefined : `rgb(${trueColour})`;
  const palette = /^ansi-palette-(\d+)$/.exec(name);
  return palette === null ? `var(--${name})` : paletteColour(Number(palette[1]));
}

/** The 256-colour palette of xterm: 16 named, a cube of 6 x 6 x 6, and 24 greys. */
function paletteColour(index: number): string {
  if (index < 16) return `var(--ansi-${index > 7 ? 'bright-' : ''}${NAMED[index % 8]})`;
  if (index >= 232) {
    const grey = 8 + (index - 232) * 10;
    return `rgb(${grey}, ${grey}, ${grey})`;
  }
  const cube = index - 16;
  const level = (step: number) => (step === 0 ? 0 : 55 + step * 40);
  return `rgb(${level(Math.floor(cube / 36))}, ${level(Math.floor(cube / 6) % 6)}, ${level(cube % 6)})`;
}

const NAMED = ['black', 'red', 'green', 'yellow', 'blue', 'magenta', 'cyan', 'white'] as const;
