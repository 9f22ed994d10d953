// Every package that npm installed must carry a licence that allows what Apache-2.0 allows.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const ALLOWED = new Set([
  'MIT',
  'MIT-0',
  'ISC',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  '0BSD',
  'BlueOak-1.0.0',
  'CC0-1.0',
  'CC-BY-4.0',
  'Python-2.0',
  'Unlicense',
  'PostgreSQL',
  'Zlib',
  // Weak copyleft of single files; used unmodified (lightningcss at build time, axe-core in tests).
  'MPL-2.0',
]);

const bad = [];
let seen = 0;
for (const path of packages(join(root, 'node_modules'))) {
  const { name, version, license, licenses, private: isPrivate } = JSON.parse(readFileSync(path, 'utf8'));
  if (name === undefined || isPrivate === true) continue;
  seen += 1;
  const text = license?.type ?? license ?? licenses?.map((entry) => entry.type).join(' OR ') ?? 'none';
  if (!isAllowed(text)) bad.push(`${name}@${version}: ${text}`);
}
process.stdout.write(`${seen} packages\n${bad.map((line) => `not allowed: ${line}\n`).join('')}`);
process.exitCode = bad.length === 0 ? 0 : 1;

/** SPDX expressions as they occur: `A OR B` needs one allowed, `A AND B` all. */
function isAllowed(text) {
  const plain = text.replace(/[()]/g, '');
  return plain
    .split(/ OR /i)
    .some((option) => option.split(/ AND /i).every((part) => ALLOWED.has(part.trim())));
}

function* packages(folder) {
  if (!existsSync(folder)) return;
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.name.startsWith('.') || entry.isSymbolicLink()) continue;
    const path = join(folder, entry.name);
    if (entry.name.startsWith('@')) {
      yield* packages(path);
    } else if (existsSync(join(path, 'package.json'))) {
      yield join(path, 'package.json');
      yield* packages(join(path, 'node_modules'));
    }
  }
}
