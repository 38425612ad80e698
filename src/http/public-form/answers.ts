import { z, type RouteConfig } from '@hono/zod-openapi';
import { failureOfCode, type FailureCode } from '../../domain/failure.ts';
import type { FieldError } from './error.ts';
import { ProblemCode } from '../registrations/schemas.ts';

type Responses = RouteConfig['responses'];

const DoorErrorSchema = z
  .object({
    detail: z.string(),
    code: ProblemCode.optional().openapi({
      description: 'Set if the error is one of the documented problem codes.',
    }),
  })
  .openapi('DoorError');
const FieldErrorsSchema = z
  .object({
    detail: z.array(
      z.object({
        type: z.string(),
        loc: z.array(z.union([z.string(), z.int()])),
        msg: z.string(),
        ctx: z.record(z.string(), z.union([z.string(), z.int()])).optional(),
      }),
    ),
  })
  .openapi('FieldErrors');

const FIELD_ERROR: FieldError = {
  type: 'missing',
  loc: ['body', 'username'],
  msg: 'Field required',
};

/** The error responses of a door: its own texts by status, and codes of the failure table.
 * @param fields whether the door takes a body, so that validation can fail */
export function doorErrors(
  own: Readonly<Record<number, readonly string[]>>,
  codes: readonly FailureCode[],
  fields = true,
): Responses {
  const answers = [
    ...Object.entries(own).flatMap(([status, texts]) =>
      texts.map((detail) => ({ status, name: detail, value: { detail } })),
    ),
    ...codes.map((code) => {
      const { httpStatus, publicText } = failureOfCode(code) ?? { httpStatus: 500, publicText: '' };
      return { status: String(httpStatus), name: code, value: { detail: publicText, code } };
    }),
  ];
  const byStatus = Map.groupBy(answers, ({ status }) => status);
  const responses = [...byStatus].map(([status, members]): [string, Responses[string]] => [
    status,
    {
      description: members.map(({ value }) => value.detail).join(' · '),
      content: {
        'application/json': {
          schema: DoorErrorSchema,
          examples: Object.fromEntries(members.map(({ name, value }) => [name, { value }])),
        },
      },
    },
  ]);
  if (!fields) return Object.fromEntries(responses);
  const wrong = {
    description: 'Request validation failed; see `detail`.',
    content: {
      'application/json': {
        schema: FieldErrorsSchema,
        examples: { missing: { value: { detail: [FIELD_ERROR] } } },
      },
    },
  };
  return { ...Object.fromEntries(responses), 422: wrong };
}
