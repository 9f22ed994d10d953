import { type PipelineVersionRef, TrainyardError } from '@trainyard/protocol';

export interface PipelineRef {
  readonly name: string;
  readonly version: PipelineVersionRef;
}

/** Reads `NAME` or `NAME@VERSION`. @throws TrainyardError USAGE */
export function readPipelineRef(text: string): PipelineRef {
  const match = /^([^@\s]+)(?:@(latest|[1-9]\d{0,8}))?$/.exec(text);
  if (match !== null) {
    const [, name = '', version = 'latest'] = match;
    return { name, version: version === 'latest' ? version : Number(version) };
  }
  throw new TrainyardError(
    'USAGE',
    `"${text}" is no pipeline: write its name, or name@version such as train@3 or train@latest.`,
  );
}
