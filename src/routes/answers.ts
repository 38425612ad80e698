import type { RouteConfig, z } from '@hono/zod-openapi';
import { failureOfCode, type FailureCode } from '../domain/failure.ts';
import { Problem, PROBLEM_TYPE } from '../problem-details.ts';
import { ProblemSchema } from './schemas.ts';

type Responses = RouteConfig['responses'];
type Answer = Exclude<Responses[string], { $ref: string }>;

const EXAMPLE_REQUEST_ID = '6f0d7b52-91e6-4a8e-9d0f-0d6d6a3f1c55';
const EVERYWHERE = ['internal', 'unavailable'] as const;
const WITH_TOKEN = ['unauthenticated'] as const;
const WITH_BODY = [
  'malformed_json',
  'payload_too_large',
  'unsupported_media_type',
  'invalid_request',
] as const;

/** What may be asked of the registration that an answer is about. */
export const REGISTRATION_LINKS = Object.fromEntries(
  [
    'getRegistration',
    'streamRegistration',
    'retryRegistration',
    'cancelRegistration',
    'replaceRegistrationRoles',
    'resendInvitation',
  ].map((operationId) => [operationId, { operationId, parameters: { id: '$response.body#/id' } }]),
);

/** How the document describes the JSON of an answer. */
export function json(
  schema: z.ZodType,
  description: string,
  headers: Record<string, string> = {},
  links: NonNullable<Answer['links']> = {},
): Responses[string] {
  const described = Object.entries(headers).map(([name, text]): [string, HeaderObject] => [
    name,
    { description: text, schema: { type: 'string' } },
  ]);
  return {
    description,
    content: { 'application/json': { schema } },
    headers: Object.fromEntries(described),
    links,
  };
}

type HeaderObject = { description: string; schema: { type: 'string' } };

/** The problems of an operation, grouped by status, each code with an example. */
export function problems(
  traits: { readonly token?: boolean; readonly body?: boolean },
  ...codes: readonly FailureCode[]
): Responses {
  const all = new Set<FailureCode>([
    ...(traits.token === false ? [] : WITH_TOKEN),
    ...(traits.body ? WITH_BODY : []),
    ...codes,
    ...EVERYWHERE,
  ]);
  const byStatus = Map.groupBy(all, (code) => String(failureOfCode(code)?.httpStatus ?? 500));
  return Object.fromEntries(
    [...byStatus].map(([status, members]) => [
      status,
      {
        description: members.map((code) => `\`${code}\``).join(', '),
        content: {
          [PROBLEM_TYPE]: {
            schema: ProblemSchema,
            examples: Object.fromEntries(members.map((code) => [code, { value: exampleOf(code) }])),
          },
        },
      },
    ]),
  );
}

function exampleOf(code: FailureCode) {
  const errors = [
    { pointer: '#/email', code: 'invalid_email', detail: 'This is not an e-mail address.' },
  ];
  const extras = code === 'invalid_request' ? { errors } : {};
  return new Problem(code, extras).body(EXAMPLE_REQUEST_ID);
}
