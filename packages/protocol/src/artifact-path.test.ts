import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { artifactFolder, artifactPathFault } from './artifact-path.ts';

describe('the path of an artifact', () => {
  it.each([
    'a',
    'model/weights.bin',
    'a b/c.d',
    'ünï/日本.txt',
    '100%',
    'a%2',
    '..a',
    'a..',
    '...',
    '.hidden/x',
  ])('may be %j', (path) => expect(artifactPathFault(path)).toBeUndefined());

  it.each([
    ['', 'is empty'],
    ['/etc/passwd', 'is absolute'],
    ['C:/x', 'is absolute'],
    ['a//b', 'has an empty name'],
    ['a/', 'has an empty name'],
    ['../x', 'has the name ".."'],
    ['a/../../x', 'has the name ".."'],
    ['./a', 'has the name "."'],
    ['a\\b', 'has a backslash'],
    ['a\nb', 'has a control character'],
    ['a\0b', 'has a control character'],
    ['%2e%2e/x', 'has the name ".." when it is decoded'],
    ['%252e%252e%252fx', 'has the name ".." when it is decoded'],
    ['%2fetc', 'is absolute when it is decoded'],
    ['a%5cb', 'has a backslash when it is decoded'],
    ['a%00', 'has a control character when it is decoded'],
    ['\ud800', 'is no well-formed text'],
    ['ä'.repeat(128), 'has a name of more than 255 bytes'],
    [`${'a/'.repeat(400)}b`, 'has more than 50 folders'],
    ['a'.repeat(1001), 'has more than 1000 characters'],
  ])('may not be %j, which %s', (path, fault) => expect(artifactPathFault(path)).toBe(fault));

  it('never leads out of a folder, however it is decoded', () => {
    const piece = fc.constantFrom('.', '/', '%', '2', 'e', '5', 'f', 'c', 'E', '\\', 'a', '0');
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const path = pieces.join('');
        if (artifactPathFault(path) !== undefined) return;
        for (let text = path, times = 0; times < 8; times += 1) {
          const { pathname } = new URL(`file:///root/inner/${text.replaceAll('%', '%25')}`);
          expect(pathname.startsWith('/root/inner/')).toBe(true);
          try {
            text = decodeURIComponent(text);
          } catch {
            return;
          }
        }
      }),
      { numRuns: 5000 },
    );
  });

  it('of a folder may end in "/" and may be nothing', () => {
    expect(artifactFolder.parse(undefined)).toBe('');
    expect(artifactFolder.parse('a/b/')).toBe('a/b');
    expect(artifactFolder.safeParse('a/../b').success).toBe(false);
  });
});
