import { keepCompiledCode } from '@trainyard/datasets/cache-directory';

/**
 * The process of a stage whose kind the agent knows itself; its first argument says which. Compiled code is
 * kept for the next such process, which halves the time until it works.
 */
keepCompiledCode();
const { runProgram } = await import('./run-program.ts');
await runProgram(process.argv[2] ?? '');
