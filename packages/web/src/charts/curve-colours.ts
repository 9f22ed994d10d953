/**
 * Line colours for light and dark, apart for colour-blind eyes (after Okabe and Ito 2008, with lightness
 * adapted to the background). Beyond them the dashes change, so that no two of the first 32 look alike.
 */
const LIGHT = ['#0b62c4', '#c2570c', '#0a8063', '#a3328f', '#7a6200', '#b3261e', '#4c51bf', '#0e7490'];
const DARK = ['#6cb0ff', '#ff9c57', '#4ccfa5', '#ee8fdc', '#dcbf4a', '#ff8a80', '#a5a8ff', '#5fd0e6'];
const DASHES: readonly (readonly number[])[] = [[], [6, 4], [2, 3], [9, 3, 2, 3]];

export interface CurveStyle {
  readonly colour: string;
  readonly dash: readonly number[];
}

/** Style of the n-th job of the run's definition: the same on every chart and after every reload. */
export function curveStyle(index: number, theme: 'light' | 'dark'): CurveStyle {
  const palette = theme === 'dark' ? DARK : LIGHT;
  const round = Math.floor(index / palette.length);
  return { colour: palette[index % palette.length]!, dash: DASHES[round % DASHES.length]! };
}
