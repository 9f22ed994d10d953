import { z } from 'zod';
import { agentProgram, environment, resources, workingDir } from './agent-program.ts';
import { jsonValue } from './values.ts';

/** A stage of kind `function`: a function of a TypeScript or JavaScript module, in a process of its own. */
export const stageFunction = z.strictObject({
  /** File of the module, relative to the pipeline file. */
  module: z.string().min(1).max(4096),
  export: z.string().min(1).max(200).default('default'),
  /** First argument of the function. */
  args: jsonValue.default({}),
  workingDir: workingDir.default('.'),
  env: environment.default({}),
  resources,
  ...agentProgram,
});
export type FunctionDefinition = z.infer<typeof stageFunction>;
