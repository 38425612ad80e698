import axe from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';
import { expect } from 'vitest';
import { CHROMIUM } from './programs.ts';

export const WIDE = { width: 1280, height: 900 };

export async function launchChromium(): Promise<Browser> {
  return await chromium.launch({
    executablePath: CHROMIUM.path ?? '',
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
}

/** The elements that reach beyond the right edge. */
const BEYOND = `Array.from(document.querySelectorAll('body *'))
  .filter((element) => element.getBoundingClientRect().right > innerWidth)
  .map(({ outerHTML }) => outerHTML.slice(0, 120))`;

/** axe finds nothing in light and dark, and nothing is cut off on a telephone or at 200 % and 400 %. */
export async function inspectPage(page: Page, what: string): Promise<void> {
  await page.evaluate(axe.source);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme });
    const { violations, passes } = await page.evaluate<axe.AxeResults>('axe.run()');
    expect(
      violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html}`)),
      `${what}, ${colorScheme}`,
    ).toEqual([]);
    expect(passes.map(({ id }) => id)).toContain('color-contrast');
  }
  await page.emulateMedia({ colorScheme: null });
  for (const width of [320, 390, 640, 768]) {
    await page.setViewportSize({ width, height: 800 });
    const needed = await page.evaluate<number>('document.documentElement.scrollWidth');
    const beyond = needed <= width ? [] : await page.evaluate<string[]>(BEYOND);
    expect(needed, `${what} in ${width} pixels: ${beyond.join('\n')}`).toBeLessThanOrEqual(width);
  }
  await page.setViewportSize(WIDE);
}
