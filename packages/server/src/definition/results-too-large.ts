import { TrainyardError } from '@trainyard/protocol/definition';

/** Characters, as JSON, that what the expressions of one value (the params of a stage, its command…) read may have. */
export const MAX_RESULT_SIZE = 4 * 1024 * 1024;

/** What expressions read is more than a stage can be handed. */
export class ResultsTooLarge extends TrainyardError {
  constructor(source: string, size: number) {
    super(
      'INVALID_PARAMS',
      `expression "\${{ ${source} }}": what it reads brings the values here to ${inMiB(size)} MiB, and ${inMiB(MAX_RESULT_SIZE)} MiB are allowed; read only what is needed, such as stages.NAME.outputs.map(o, o.score), or hand over the path of a file`,
    );
  }
}

function inMiB(size: number): string {
  return String(Math.round((size / 1024 / 1024) * 10) / 10);
}
