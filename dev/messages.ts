import { readFile } from 'node:fs/promises';
import { parse } from '@swc/core';

/** Their texts are in the other pages of docs/reference. */
const TABLES = ['src/domain/failure.ts', 'src/config/environment-table.ts', 'dev/commands.ts'];
/** Calls whose arguments are messages, even those of one word. */
const MESSAGE_CALLS = new Set(['debug', 'info', 'warn', 'error', 'fatal', 'refuse', 'print']);
/** Templates that hold code of another language. */
const CODE_TAGS = new Set(['sql', 'html', 'css', 'raw']);

type Node = Readonly<Record<string, unknown>>;

/** Every text for people in a TypeScript source: literals of several words, and the arguments of
 * calls that log, print or refuse. `${…}` stands for a value. */
export async function messagesOf(source: string): Promise<string[]> {
  const found = new Set<string>();
  collect(await parse(source, { syntax: 'typescript' }), false, found);
  return [...found].toSorted();
}

/** The page docs/reference/messages.md. @param files by path from the root of the repository */
export async function messagesPage(root: string, files: readonly string[]): Promise<string> {
  const sections: string[] = [];
  for (const file of files.toSorted()) {
    if (TABLES.includes(file)) continue;
    const messages = await messagesOf(await readFile(`${root}/${file}`, 'utf8'));
    if (messages.length > 0) sections.push(`## ${file}\n\n${messages.map(listed).join('')}`);
  }
  return sections.join('\n');
}

function listed(message: string): string {
  return `- \`\` ${message.replaceAll('\n', String.raw`\n`)} \`\`\n`;
}

function collect(value: unknown, isMessage: boolean, found: Set<string>): void {
  if (Array.isArray(value)) for (const one of value) collect(one, isMessage, found);
  if (!isNode(value)) return;
  const text = textOf(value);
  if (text !== null && (text.trim().includes(' ') || (isMessage && text !== ''))) found.add(text);
  const { type } = value;
  if (type === 'ImportDeclaration' || type === 'TsLiteralType') return;
  if (type === 'TaggedTemplateExpression' && CODE_TAGS.has(nameOf(value['tag']))) {
    return collect((value['template'] as Node)['expressions'], false, found);
  }
  const names = type === 'CallExpression' && MESSAGE_CALLS.has(nameOf(value['callee']));
  for (const [key, child] of Object.entries(value)) {
    if (key !== 'span') collect(child, names && key === 'arguments', found);
  }
}

function textOf({ type, value, quasis }: Node): string | null {
  if (type === 'StringLiteral') return String(value);
  if (type !== 'TemplateLiteral' || !Array.isArray(quasis)) return null;
  return quasis.map((quasi: { cooked?: string }) => quasi.cooked ?? '').join('${…}');
}

function nameOf(callee: unknown): string {
  if (!isNode(callee)) return '';
  if (callee['type'] === 'Identifier') return String(callee['value']);
  return callee['type'] === 'MemberExpression' ? nameOf(callee['property']) : '';
}

function isNode(value: unknown): value is Node {
  return typeof value === 'object' && value !== null;
}
