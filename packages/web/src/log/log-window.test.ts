import fc from 'fast-check';
import { expect, test } from 'vitest';
import { LogWindow, utf8Length } from './log-window.ts';

test('bytes are counted as UTF-8 counts them', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      expect(utf8Length(text)).toBe(new TextEncoder().encode(text).length);
    }),
  );
});

test('live text becomes lines, however it is cut', () => {
  const text = 'erste Zeile\nzweite: ✓ 𝛼\n\nletzte';
  const bytes = new TextEncoder().encode(text);
  fc.assert(
    fc.property(fc.array(fc.nat(text.length), { maxLength: 8 }), (cuts) => {
      const window = new LogWindow();
      const at = [0, ...cuts.filter((cut) => !isHalfPair(text, cut)).sort((a, b) => a - b), text.length];
      let offset = 0;
      for (let i = 1; i < at.length; i += 1) {
        const piece = text.slice(at[i - 1], at[i]);
        const nextOffset = offset + utf8Length(piece);
        window.appendText({ offset, nextOffset, text: piece }, 0);
        offset = nextOffset;
      }
      expect(window.rows.map((row) => row.text)).toEqual(text.split('\n'));
      expect(window.endOffset).toBe(bytes.length);
      for (const row of window.rows) {
        const from = new TextDecoder().decode(bytes.subarray(row.offset));
        expect(from.startsWith(row.text)).toBe(true);
      }
    }),
  );
});

test('text that is there already is cut off, and missing bytes are a gap', () => {
  const window = new LogWindow();
  window.appendText({ offset: 0, nextOffset: 6, text: 'one\ntw' }, 0);
  expect(window.appendText({ offset: 2, nextOffset: 12, text: 'e\ntwo\nthre' }, 0)).toBe(0);
  expect(window.appendText({ offset: 0, nextOffset: 5, text: 'one\nt' }, 0)).toBe(0);
  expect(window.appendText({ offset: 20, nextOffset: 25, text: 'later' }, 0)).toBe('gap');
  expect(window.rows.map((row) => row.text)).toEqual(['one', 'two', 'thre']);
});

test('a page of whole lines is continued by live text', () => {
  const window = new LogWindow();
  window.reset({ items: [line(100, 'a'), line(102, 'b')], nextOffset: 104 });
  expect([window.startOffset, window.endOffset]).toEqual([100, 104]);
  window.appendText({ offset: 104, nextOffset: 106, text: 'c\n' }, 5);
  expect(window.rows).toEqual([
    { offset: 100, atMs: 0, text: 'a' },
    { offset: 102, atMs: 0, text: 'b' },
    { offset: 104, atMs: 5, text: 'c' },
  ]);
});

test('a last line without an end is continued', () => {
  const window = new LogWindow();
  window.reset({ items: [line(0, 'progress 10%')], nextOffset: 12 });
  window.appendText({ offset: 12, nextOffset: 18, text: ' 20%\n!' }, 5);
  expect(window.rows.map((row) => row.text)).toEqual(['progress 10% 20%', '!']);
});

test('older lines are put before the first one, without repeats and without a cut line', () => {
  const window = new LogWindow();
  window.reset({ items: [line(10, 'e')], nextOffset: 12 });
  const page = { items: [line(3, 'ut line'), line(6, 'c'), line(8, 'd'), line(10, 'e')], nextOffset: 12 };
  expect(window.prependPage(page, true)).toBe(2);
  expect(window.rows.map((row) => row.text)).toEqual(['c', 'd', 'e']);
  expect(window.startOffset).toBe(6);
  expect(window.prependPage({ items: [line(0, 'a'), line(3, 'bb')], nextOffset: 6 }, false)).toBe(2);
  expect(window.startOffset).toBe(0);
});

test('a page of what follows is added once', () => {
  const window = new LogWindow();
  window.reset({ items: [line(0, 'a')], nextOffset: 2 });
  expect(window.appendPage({ items: [line(0, 'a'), line(2, 'b')], nextOffset: 4 })).toBe(0);
  expect(window.rows.map((row) => row.text)).toEqual(['a', 'b']);
});

test('beyond the limit the oldest lines go, and older ones come back only while there is room', () => {
  const window = new LogWindow(100);
  let dropped = 0;
  for (let i = 0; i < 250; i += 1) {
    dropped += Number(window.appendText({ offset: i * 4, nextOffset: i * 4 + 4, text: `${100 + i}\n` }, 0));
  }
  expect(window.rows.length).toBeLessThanOrEqual(100);
  expect(dropped + window.rows.length).toBe(250);
  expect(window.rows.at(-1)?.text).toBe('349');
  expect(window.startOffset).toBe(dropped * 4);
  const older = Array.from({ length: 60 }, (_, i) => line((dropped - 60 + i) * 4, 'old'));
  window.prependPage({ items: older, nextOffset: dropped * 4 }, false);
  expect(window.rows.length).toBe(100);
});

function line(offset: number, text: string) {
  return { offset, time: '1970-01-01T00:00:00.000Z', text };
}

function isHalfPair(text: string, at: number): boolean {
  const unit = text.charCodeAt(at);
  return unit >= 0xdc00 && unit <= 0xdfff;
}
