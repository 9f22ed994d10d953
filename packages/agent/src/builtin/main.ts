import { enableCompileCache } from 'node:module';

/**
 * The process of a stage whose kind the agent knows itself; its first argument says which. Compiled code is
 * kept in Node's cache for the next such process, which halves the time until it works.
 */
enableCompileCache();
const { runProgram } = await import('./run-program.ts');
await runProgram(process.argv[2] ?? '');
