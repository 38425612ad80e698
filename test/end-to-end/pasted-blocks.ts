import { describe, expect, test } from 'vitest';
import { type ShellBlock, shellBlocksOf } from '../support/shell-blocks.ts';
import type { Pasted } from '../support/terminal.ts';
import type { Json } from './newcomer.ts';

/** What is known about a block. One without an entry must succeed and show no problem. */
export interface Expectation {
  /** Why it is not run here. */
  readonly notRun?: string;
  /** What the reader does first. The answer is a line that the reader types into the block. */
  readonly first?: () => Promise<string | void>;
  /** The exit codes of commands that do not end with 0. */
  readonly exitCodes?: readonly number[];
  /** Checks that it shows what the document says. */
  readonly shows?: (output: string) => Promise<void> | void;
}

export const UUID = /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/;

/** Receipts, lists and reports, as curl prints them: one line each, with no line break behind. */
export function jsonIn(output: string): Json[] {
  return output
    .split(/\n|(?<=\})(?=\{")/)
    .filter((text) => text.startsWith('{'))
    .map((text) => JSON.parse(text) as Json);
}

/** One test for each shell block of a document, in order.
 * @param sections only the blocks under these headings */
export function testBlocks(
  path: string,
  markdown: string,
  expectations: Readonly<Record<string, Expectation>>,
  paste: (block: ShellBlock, typed: string | undefined) => Promise<Pasted>,
  sections?: readonly string[],
): void {
  const isMeant = (name: string) =>
    sections?.some((heading) => name.startsWith(`${heading} (`)) ?? true;
  const blocks = shellBlocksOf(markdown).filter(({ name }) => isMeant(name));
  describe(`${path}, pasted in order`, () => {
    const run = blocks.filter(({ name }) => expectations[name]?.notRun === undefined);
    test.each(run.map((block) => [block.name, block] as const))(
      '%s succeeds and shows what the document says',
      async (name, block) => {
        const { first, exitCodes = [], shows } = expectations[name] ?? {};
        const typed = (await first?.()) ?? undefined;
        const { output, failed } = await paste(block, typed);
        expect({ failed, output }).toMatchObject({ failed: exitCodes });
        expect(output).not.toContain('"type":"/problems/');
        await shows?.(output);
      },
      200_000,
    );

    test('each block that is expected is there', () => {
      const names = blocks.map(({ name }) => name);
      expect(Object.keys(expectations).filter((name) => !names.includes(name))).toEqual([]);
    });
  });
}
