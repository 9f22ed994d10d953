import { expect, test } from 'vitest';
import { lastState, styleLine } from './ansi.ts';

const ESC = '\u001b';

test('a plain line is one piece', () => {
  expect(styleLine('loss <b>0.1</b>').map((piece) => piece.text)).toEqual(['loss <b>0.1</b>']);
});

test('named, palette and true colours are told apart', () => {
  const pieces = styleLine(
    `${ESC}[31mred${ESC}[0m ${ESC}[38;5;196mcube${ESC}[38;2;1;2;3mtrue${ESC}[1;4mbold`,
  );
  expect(pieces.map(({ text, colour }) => [text, colour])).toEqual([
    ['red', 'var(--ansi-red)'],
    [' ', undefined],
    ['cube', 'rgb(255, 0, 0)'],
    ['true', 'rgb(1, 2, 3)'],
    ['bold', 'rgb(1, 2, 3)'],
  ]);
  expect(pieces.at(-1)).toMatchObject({ bold: true, underline: true });
});

test('cursor movements, titles and links leave no trace', () => {
  const text = `${ESC}[2K${ESC}[1Gok ${ESC}]0;title\u0007${ESC}]8;;https://x\u001b\\link${ESC}]8;;\u001b\\`;
  expect(
    styleLine(text)
      .map((piece) => piece.text)
      .join(''),
  ).toBe('ok link');
});

test('a progress bar shows its last state', () => {
  expect(lastState('10%\r20%\r30%')).toBe('30%');
  expect(lastState('10%\r20%\r')).toBe('20%');
  expect(lastState('windows line\r')).toBe('windows line');
  expect(lastState('plain')).toBe('plain');
});
