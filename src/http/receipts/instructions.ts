import { z, type RouteConfig } from '@hono/zod-openapi';
import type { Context } from 'hono';
import type { FailureCode } from '../../domain/failure.ts';
import { BEARER } from '../openapi/mount.ts';
import { json, problems } from '../problems/answers.ts';
import type { ProblemPlace } from '../problems/problem-details.ts';
import { readOptionalJson } from '../request/body.ts';
import { reason, roles } from '../request/fields.ts';
import { parse } from '../request/validate.ts';

/** What the instructions of an operator have in common, for registrations and for changes. */

export const withReason = z.strictObject({ reason }).openapi('Reason');
export const newRoles = z.strictObject({ roles, reason }).openapi('NewRoles');
export const WRONG_ROLES: ProblemPlace = {
  pointer: '#/roles',
  code: 'required',
  detail: 'This field is required.',
};
export const WRONG_REASON: ProblemPlace = {
  pointer: '#/reason',
  code: 'wrong_type',
  detail: 'Must be of type string.',
};

/** The reason in a body that may be absent. @throws Problem */
export async function readReason(c: Context): Promise<string | null> {
  return parse(withReason, await readOptionalJson(c)).reason ?? null;
}

/** What instructions are given to. */
export interface Instructed {
  readonly path: '/registrations' | '/changes';
  readonly tag: string;
  readonly receipt: z.ZodType;
  readonly notFound: FailureCode;
  /** The texts of its problems, where they are not those of the failure table. */
  readonly details?: Partial<Record<FailureCode, string>>;
}

export interface InstructionOperation {
  readonly method?: 'post' | 'put';
  /** The last segment of the path. */
  readonly name: string;
  readonly operationId: string;
  readonly summary: string;
  readonly body?: z.ZodType;
  readonly isBodyRequired?: boolean;
  readonly codes: readonly FailureCode[];
  readonly wrong?: ProblemPlace;
}

export function instructionOperation(
  { path, tag, receipt, notFound, details = {} }: Instructed,
  operation: InstructionOperation,
): RouteConfig {
  const { method = 'post', name, operationId, summary, body = withReason } = operation;
  const { isBodyRequired: required = false, codes, wrong = WRONG_REASON } = operation;
  return {
    method,
    path: `${path}/{id}/${name}`,
    operationId,
    summary,
    tags: [tag],
    security: BEARER,
    request: {
      params: z.object({ id: z.string().openapi({ format: 'uuid' }) }),
      body: { required, content: { 'application/json': { schema: body } } },
    },
    responses: {
      202: json(receipt, 'Request recorded; current receipt.'),
      ...problems({ body: true, wrong, details }, notFound, ...codes),
    },
  };
}
