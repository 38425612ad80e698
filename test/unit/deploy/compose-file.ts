import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { REPOSITORY } from '../../support/program.ts';

const Words = z.array(z.string());
const Service = z.object({
  image: z.string(),
  build: z.object({ context: z.string(), target: z.string() }).optional(),
  command: Words.optional(),
  entrypoint: Words.optional(),
  restart: z.string().optional(),
  init: z.boolean().default(false),
  read_only: z.boolean().default(false),
  tmpfs: Words.default([]),
  environment: z.record(z.string(), z.string()).default({}),
  volumes: Words.default([]),
  ports: Words.default([]),
  healthcheck: z.object({ test: Words }).optional(),
  stop_grace_period: z.string().optional(),
  deploy: z.object({ replicas: z.number() }).optional(),
  depends_on: z
    .record(
      z.string(),
      z.object({
        condition: z.enum(['service_healthy', 'service_completed_successfully']),
      }),
    )
    .default({}),
});

/** A service of docker-compose.yml, in the forms that the file uses. */
export type Service = z.infer<typeof Service>;
export type Services = Readonly<Record<string, Service>>;

const File = z.object({ services: z.record(z.string(), Service) });

export async function readComposeText(root = REPOSITORY): Promise<string> {
  return await readFile(join(root, 'docker-compose.yml'), 'utf8');
}

/** The services, with `${NAME:-default}` filled in from `values`. Throws for any other form. */
export function servicesIn(text: string, values: Readonly<Record<string, string>> = {}): Services {
  return File.parse(filledIn(parse(text, { merge: true }), values)).services;
}

function filledIn(node: unknown, values: Readonly<Record<string, string>>): unknown {
  if (typeof node === 'string') return interpolated(node, values);
  if (Array.isArray(node)) return node.map((item) => filledIn(item, values));
  if (typeof node !== 'object' || node === null) return node;
  return Object.fromEntries(
    Object.entries(node).map(([key, value]) => [key, filledIn(value, values)]),
  );
}

function interpolated(text: string, values: Readonly<Record<string, string>>): string {
  return text.replaceAll(
    /\$(?:(\$)|\{(\w+):-([^}]*)\})?/g,
    (found, dollar?: string, name?: string, otherwise?: string) => {
      if (dollar) return '$';
      if (name === undefined) throw new Error(`${found} in "${text}" is no \${NAME:-default}`);
      return values[name] || (otherwise ?? '');
    },
  );
}

/** The words of the program that runs in the container. */
export function commandOf({ entrypoint = [], command = [] }: Service): string[] {
  return [...entrypoint, ...command];
}

/** A path in the container, as a path from the root of the repository where a volume brings it. */
export function mounted(path: string, { volumes }: Service): string {
  for (const volume of volumes) {
    const [from = '', to = ''] = volume.split(':');
    if (from.startsWith('./deploy/') && path.startsWith(`${to}/`)) {
      return from.slice(2) + path.slice(to.length);
    }
  }
  return path;
}

/** The scripts by which the image makes its database, in their order, with what psql takes from the
 * environment by `\\getenv` filled in. */
export async function readInitScripts(
  root: string,
  environment: Readonly<Record<string, string>>,
): Promise<string[]> {
  const folder = join(root, 'deploy/postgres');
  const names = (await readdir(folder)).toSorted();
  return await Promise.all(
    names.map(async (name) => {
      const values = new Map<string, string>();
      const text = await readFile(join(folder, name), 'utf8');
      const statements = text.replaceAll(
        /^\\getenv (\w+) (\w+)\n/gm,
        (_, key: string, from: string) => {
          values.set(key, environment[from] ?? '');
          return '';
        },
      );
      return statements.replaceAll(/:'(\w+)'/g, (_, key: string) => `'${values.get(key)}'`);
    }),
  );
}
