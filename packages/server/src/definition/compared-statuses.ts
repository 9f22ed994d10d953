import type { ASTNode } from '@marcbachmann/cel-js';

/** The texts that an operation compares the status of a stage or of an outcome with. */
export function comparedStatuses(node: ASTNode): string[] {
  if (node.op === '==' || node.op === '!=') {
    const [left, right] = node.args;
    return isStatus(left) ? texts([right]) : isStatus(right) ? texts([left]) : [];
  }
  if (node.op !== 'in') return [];
  const [value, list] = node.args;
  return isStatus(value) && list.op === 'list' ? texts(list.args) : [];
}

/** `stages.NAME.status`, `stages["NAME"].status` or `outcome.status`. */
function isStatus(node: ASTNode): boolean {
  if (node.op !== '.' || node.args[1] !== 'status') return false;
  const [of] = node.args;
  if (of.op === 'id') return of.args === 'outcome';
  if (of.op !== '.' && of.op !== '[]') return false;
  const [root] = of.args;
  return root.op === 'id' && root.args === 'stages';
}

function texts(nodes: readonly ASTNode[]): string[] {
  return nodes.flatMap(({ op, args }) => (op === 'value' && typeof args === 'string' ? [args] : []));
}
