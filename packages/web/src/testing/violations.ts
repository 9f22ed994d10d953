import axe from 'axe-core';
import type { Page } from 'playwright-core';

/** Serious breaches of WCAG 2.2 A and AA on the page as it is now, each with the element that has it. */
export async function seriousViolations(page: Page): Promise<string[]> {
  await page.evaluate(axe.source);
  const result = (await page.evaluate(
    'axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21aa", "wcag22aa"] })',
  )) as { violations: { id: string; impact: string; nodes: { html: string }[] }[] };
  return result.violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)}`));
}
