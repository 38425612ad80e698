import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { shellBlocksOf } from '../../support/shell-blocks.ts';
import { Terminal } from '../../support/terminal.ts';

test('shell blocks have the heading above them and a number, also those in lists', () => {
  const markdown = [
    '# One\n\n```sh\na\n```\n\n```json\n{}\n```\n',
    '- in a list:\n\n  ```bash\n  b\n    c\n  ```\n',
    '## Two\n\n```\nno shell\n```\n\n```sh\n# no heading\n```\n',
  ].join('\n');
  expect(shellBlocksOf(markdown)).toEqual([
    { name: 'One (1)', text: 'a\n' },
    { name: 'One (2)', text: 'b\n  c\n' },
    { name: 'Two (1)', text: '# no heading\n' },
  ]);
});

describe('a terminal', () => {
  let terminal: Terminal;
  beforeAll(() => {
    terminal = Terminal.open({ cwd: '/', env: {} });
  });
  afterAll(() => terminal.close());

  test('keeps variables and functions from block to block', async () => {
    await terminal.paste('export A=1\nf() { echo "$A $1"; }\n');
    expect(await terminal.paste('f 2\n')).toEqual({ output: '1 2\n', failed: [] });
  });

  test('reports each command that fails, also in the middle of a block', async () => {
    const { failed, output } = await terminal.paste('false\necho on\nsh -c "exit 3"');
    expect({ failed, output }).toEqual({ failed: [1, 3], output: 'on\n' });
  });

  test('gives a typed line to the command that reads one, and errors as output', async () => {
    const { output } = await terminal.paste('read -r LINE && echo "got $LINE" >&2', 'typed');
    expect(output).toBe('got typed\n');
  });

  test('says so when a block ends the shell', async () => {
    const other = Terminal.open({ cwd: '/', env: {} });
    await expect(other.paste('exit 1')).rejects.toThrow('the shell has ended');
    await other.close();
  });
});
