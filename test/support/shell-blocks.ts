/** A shell block of a document, as a reader pastes it. */
export interface ShellBlock {
  /** The heading above it and its number below that heading: `Start (1)`. */
  readonly name: string;
  readonly text: string;
}

const HEADING_OR_BLOCK =
  /^#{1,6} (?<heading>.+)$|^(?<indent> *)```(?<kind>\w*)\n(?<text>[\s\S]*?)^\k<indent>```$/gm;

/** All of them, in order, also those in list items. */
export function shellBlocksOf(markdown: string): ShellBlock[] {
  const blocks: ShellBlock[] = [];
  let heading = '';
  let count = 0;
  for (const { groups = {} } of markdown.matchAll(HEADING_OR_BLOCK)) {
    if (groups['heading'] !== undefined) {
      heading = groups['heading'];
      count = 0;
    } else if (/^(?:sh|bash|shell)$/.test(groups['kind'] ?? '')) {
      const indent = new RegExp(`^${groups['indent'] ?? ''}`, 'gm');
      count += 1;
      blocks.push({
        name: `${heading} (${count})`,
        text: groups['text']?.replace(indent, '') ?? '',
      });
    }
  }
  return blocks;
}
