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

export function mayDecide(approval: ApprovalInfo, { name, scopes, isTrusted }: Decider): boolean {
  const allowed = decidersOf(approval);
  if (isTrusted || allowed === null) return true;
  return allowed.some((each) => each === name || scopes.some((scope) => each === `scope:${scope}`));
}
