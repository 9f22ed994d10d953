import { MlflowRefusal } from './mlflow-error.ts';

/** A page as MLflow's clients read it: without what is empty, and with a token while there is more. */
export function pageOf(
  name: string,
  items: readonly object[],
  hasMore: boolean,
  { limit, offset }: { readonly limit: number; readonly offset: number },
) {
  return {
    ...(items.length === 0 ? {} : { [name]: items }),
    ...(hasMore ? { next_page_token: pageToken(offset + limit) } : {}),
  };
}

/** Tokens of pages as MLflow has them: where the next page begins. */
export function pageToken(offset: number): string {
  return Buffer.from(JSON.stringify({ offset })).toString('base64');
}

/** @throws MlflowRefusal for what is no such token */
export function offsetOf(token: string | undefined): number {
  if (token === undefined || token === '') return 0;
  try {
    const { offset } = JSON.parse(Buffer.from(token, 'base64').toString('utf8')) as { offset?: unknown };
    if (Number.isSafeInteger(offset) && (offset as number) >= 0) return offset as number;
  } catch {
    // Told below.
  }
  throw new MlflowRefusal('INVALID_PARAMETER_VALUE', 'Invalid page token, could not base64-decode');
}
