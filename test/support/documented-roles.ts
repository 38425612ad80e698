import { readFile } from 'node:fs/promises';
import { REPOSITORY } from './program.ts';

export type Role = 'registrar_owner' | 'registrar_app';

export interface DocumentedRoles {
  /** `CREATE ROLE …`, once per server. */
  readonly roles: string;
  /** `CREATE DATABASE registrar …` */
  readonly database: string;
  /** For the new database, before the first migration. */
  readonly grants: string;
  readonly passwords: Readonly<Record<Role, string>>;
}

/** The SQL blocks of docs/production.md that make the two roles, as they stand there. */
export async function documentedRoles(): Promise<DocumentedRoles> {
  const text = await readFile(`${REPOSITORY}docs/production.md`, 'utf8');
  const blocks = [...text.matchAll(/```sql\n(.*?)```/gs)].map(([, block]) => block ?? '');
  const make = blocks.find((block) => block.includes('CREATE ROLE')) ?? '';
  const grants = blocks.find((block) => block.includes('ALTER DEFAULT PRIVILEGES')) ?? '';
  const statements = make.split(/(?<=;)\n/);
  const of = (start: string) => statements.filter((one) => one.startsWith(start)).join('\n');
  const passwordOf = (role: Role): string => {
    const found = new RegExp(`CREATE ROLE ${role} LOGIN PASSWORD '([^']+)';`).exec(make)?.[1];
    if (found === undefined) throw new Error(`docs/production.md makes no role ${role}`);
    return found;
  };
  if (grants === '') throw new Error('docs/production.md has no block of grants');
  return {
    roles: of('CREATE ROLE'),
    database: of('CREATE DATABASE'),
    grants,
    passwords: {
      registrar_owner: passwordOf('registrar_owner'),
      registrar_app: passwordOf('registrar_app'),
    },
  };
}
