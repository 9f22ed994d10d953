import type { ValidatedPipeline } from '@trainyard/client';
import type { CliContext } from '../cli-context.ts';
import { isConnectionFault } from '../connection.ts';
import { usedFiles, withFaultsOf } from '../pipeline-file.ts';
import { withServer } from './runs.ts';

/** What the server makes of the file; `undefined` when none answers. */
export async function planOfServer(
  context: CliContext,
  source: string,
  file: string,
): Promise<ValidatedPipeline | undefined> {
  const files = await usedFiles(source, file);
  try {
    return await withServer(
      context,
      ({ client }) => withFaultsOf(file, () => client.validatePipeline({ source, files })),
      { otherwise: 'fail' },
    );
  } catch (error) {
    if (isConnectionFault(error)) return undefined;
    throw error;
  }
}
