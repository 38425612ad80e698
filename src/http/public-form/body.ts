import type { Context } from 'hono';
import type { z } from '@hono/zod-openapi';
import { Problem } from '../problems/problem-details.ts';
import { readOptionalJson } from '../request/body.ts';
import { DoorError, type FieldError } from './error.ts';

const NO_OBJECT = 'Input should be a valid dictionary or object to extract fields from';

/** The body of a request in the shape of a schema. @throws DoorError 422 as FastAPI words it, and
 * Problem for a body that is too large */
export async function readDoorBody<T>(c: Context, schema: z.ZodType<T>): Promise<T> {
  const body = await readOptionalJson(c).catch((error: unknown) => {
    throw error instanceof Problem ? (unreadable(error) ?? error) : error;
  });
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw notAnObject();
  const result = schema.safeParse(body);
  if (result.success) return result.data;
  throw new DoorError(
    422,
    result.error.issues.map((issue) => fieldErrorOf(issue, body)),
  );
}

function unreadable({ code }: Problem): DoorError | null {
  if (code === 'unsupported_media_type') return notAnObject();
  if (code !== 'malformed_json') return null;
  const ctx = { error: 'The request body is not valid JSON' };
  return new DoorError(422, [
    { type: 'json_invalid', loc: ['body', 0], msg: 'JSON decode error', ctx },
  ]);
}

function notAnObject(): DoorError {
  return new DoorError(422, [{ type: 'model_attributes_type', loc: ['body'], msg: NO_OBJECT }]);
}

function fieldErrorOf(issue: z.core.$ZodIssue, body: object): FieldError {
  const path = issue.path.map((key) => (typeof key === 'symbol' ? String(key) : key));
  const at = (type: string, msg: string): FieldError => ({ type, loc: ['body', ...path], msg });
  if (issue.code === 'custom') {
    const { type, ctx } = issue.params as { type: string; ctx: Record<string, string | number> };
    return { ...at(type, issue.message), ctx };
  }
  if (!Object.hasOwn(body, path[0] ?? '')) return at('missing', 'Field required');
  if (issue.code === 'invalid_value' || issue.code === 'invalid_union') {
    return at('enum', 'Input should be one of the listed values');
  }
  const boolean = issue.code === 'invalid_type' && issue.expected === 'boolean';
  return boolean
    ? at('bool_type', 'Input should be a valid boolean')
    : at('string_type', 'Input should be a valid string');
}
