import type { Context } from 'hono';
import type { z } from '@hono/zod-openapi';
import { pointerTo, Problem, type ProblemPlace } from '../problems/problem-details.ts';
import { lengthBound } from './fields.ts';

type Issue = z.core.$ZodIssue;

/** A value in the shape of a schema. @throws Problem `invalid_request` that says where it differs */
export function parse<T>(schema: z.ZodType<T>, value: unknown, at: readonly string[] = []): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues.flatMap((issue) => placesOf(issue, value, at));
  throw new Problem('invalid_request', { errors });
}

/** The query in the shape of a schema. A parameter is a list only where `lists` names it. */
export function parseQuery<T>(c: Context, schema: z.ZodType<T>, lists: readonly string[] = []): T {
  const found: Record<string, unknown> = {};
  for (const [name, values] of Object.entries(c.req.queries())) {
    found[name] = lists.includes(name) || values.length > 1 ? values : values[0];
  }
  return parse(schema, found, ['query']);
}

function placesOf(issue: Issue, value: unknown, at: readonly string[]): ProblemPlace[] {
  const path = [...at, ...issue.path];
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({
      pointer: pointerTo(...path, key),
      code: 'unknown_field',
      detail: 'Unknown field.',
    }));
  }
  return [{ pointer: pointerTo(...path), ...reasonOf(issue, value) }];
}

function reasonOf(issue: Issue, value: unknown): { code: string; detail: string } {
  if (issue.code === 'invalid_type') {
    return isMissing(issue.path, value)
      ? { code: 'required', detail: 'This field is required.' }
      : { code: 'wrong_type', detail: `Must be of type ${issue.expected}.` };
  }
  if (issue.code === 'too_big') {
    return { code: 'too_big', detail: boundText('most', Number(issue.maximum), issue.origin) };
  }
  if (issue.code === 'too_small') {
    return { code: 'too_small', detail: boundText('least', Number(issue.minimum), issue.origin) };
  }
  if (issue.code === 'invalid_value') {
    return { code: 'invalid_value', detail: `Must be one of: ${issue.values.join(', ')}.` };
  }
  if (issue.code === 'custom') {
    const code: unknown = issue.params?.['code'];
    return { code: typeof code === 'string' ? code : 'invalid', detail: issue.message };
  }
  return { code: 'invalid_format', detail: 'Invalid format.' };
}

function boundText(which: 'least' | 'most', bound: number, origin: string): string {
  if (origin === 'string') return `Must be ${lengthBound(which, bound)}.`;
  if (origin === 'array') return `Must have ${lengthBound(which, bound, 'item')}.`;
  return `Must be at ${which} ${bound}.`;
}

function isMissing(path: readonly PropertyKey[], value: unknown): boolean {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return true;
    found = Reflect.get(found, key);
  }
  return found === undefined;
}
