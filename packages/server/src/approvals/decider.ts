import type { ApprovalInfo } from '@trainyard/protocol';

/** Who makes a request. */
export interface Decider {
  /** Name of the token; of an open server, that it is one. */
  readonly name: string;
  readonly scopes: readonly string[];
  /** On an open server everybody may decide. */
  readonly isTrusted: boolean;
}

/** Who may decide now, by name or as `scope:…`; null for everybody who may write. */
export function decidersOf({
  approvers,
  escalateTo,
  escalatedAt,
}: Pick<ApprovalInfo, 'approvers' | 'escalateTo' | 'escalatedAt'>): readonly string[] | null {
  if (approvers === null || escalatedAt === null) return approvers;
  return [...approvers, ...(escalateTo ?? [])];
}

/**
 * As whom somebody decides; undefined for who may not. An administrator always may, because an approval whose
 * approvers are gone would wait for ever; the name tells it then.
 */
export function decidesAs(approval: ApprovalInfo, decider: Decider): string | undefined {
  const { name, scopes, isTrusted } = decider;
  const allowed = decidersOf(approval);
  if (isTrusted || allowed === null || isAmong(allowed, decider)) return name;
  return scopes.includes('admin') ? `${name} (as administrator)` : undefined;
}

/** Whether a token is meant by a list of names and `scope:…`. */
export function isAmong(
  people: readonly string[],
  { name, scopes }: Pick<Decider, 'name' | 'scopes'>,
): boolean {
  return people.some((each) => each === name || scopes.some((scope) => each === `scope:${scope}`));
}
