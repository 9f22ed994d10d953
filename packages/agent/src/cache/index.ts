export { codeVersion } from './code-version.ts';
export { FilesUnknown } from './files-unknown.ts';
export { HashMemory } from './hash-memory.ts';
export { hashPattern } from './pattern-hash.ts';
