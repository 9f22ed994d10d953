import { type Run, TrainyardError } from '@trainyard/protocol';

/** Refuses what only the server that carries a run out could do. @throws TrainyardError CONFLICT */
export function refuseExternal({ id, kind }: Pick<Run, 'id' | 'kind'>, what: string): void {
  if (kind !== 'external') return;
  throw new TrainyardError(
    'CONFLICT',
    `Run ${id} is carried out by a program outside of Trainyard, which tells us of it: it cannot be ${what} from here.`,
  );
}
