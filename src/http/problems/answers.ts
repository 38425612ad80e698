import type { RouteConfig, z } from '@hono/zod-openapi';
import { failureOfCode, type FailureCode } from '../../domain/failure.ts';
import { PROBLEM_TYPE, type ProblemPlace } from './problem-details.ts';
import { exampleOf, WRONG_EMAIL } from './problem-examples.ts';
import { ProblemSchema } from '../registrations/schemas.ts';

type Responses = RouteConfig['responses'];
type Answer = Exclude<Responses[string], { $ref: string }>;

const EVERYWHERE = ['internal', 'unavailable'] as const;
const WITH_TOKEN = ['unauthenticated'] as const;
const WITH_BODY = [
  'malformed_json',
  'payload_too_large',
  'unsupported_media_type',
  'invalid_request',
] as const;

/** Links to the operations on the registration in a response. */
export const REGISTRATION_LINKS = linksTo(
  'getRegistration',
  'streamRegistration',
  'retryRegistration',
  'cancelRegistration',
  'replaceRegistrationRoles',
  'resendInvitation',
);
/** Links to the operations on the change in a response. */
export const CHANGE_LINKS = linksTo('getChange', 'retryChange', 'cancelChange');

function linksTo(...operationIds: readonly string[]) {
  const parameters = { id: '$response.body#/id' };
  return Object.fromEntries(
    operationIds.map((operationId) => [operationId, { operationId, parameters }]),
  );
}

/** Describes a JSON response for the document. */
export function json(
  schema: z.ZodType,
  description: string,
  headers: Record<string, string> = {},
  links: NonNullable<Answer['links']> = {},
): Responses[string] {
  const described = Object.entries(headers).map(([name, text]): [string, HeaderObject] => [
    name,
    header(text),
  ]);
  return {
    description,
    content: { 'application/json': { schema } },
    headers: Object.fromEntries(described),
    links,
  };
}

type HeaderObject = { description: string; schema: { type: 'string' } };

function header(description: string): HeaderObject {
  return { description, schema: { type: 'string' } };
}

interface Traits {
  readonly token?: boolean;
  readonly body?: boolean;
  /** For the example of `invalid_request`: an invalid place in a request of this operation. */
  readonly wrong?: ProblemPlace;
  /** For the examples: the texts of this operation, where they are not those of the failure table. */
  readonly details?: Partial<Record<FailureCode, string>>;
}

/** Headers of error responses, by status. */
const HEADERS: Readonly<Record<string, Record<string, HeaderObject>>> = {
  401: { 'WWW-Authenticate': header('`Bearer`, with an error code if the token is invalid.') },
  429: { 'Retry-After': header('Seconds to wait before the next attempt.') },
  503: { 'Retry-After': header('Seconds to wait before the next attempt.') },
};

/** The problems of an operation, grouped by status, each code with an example. */
export function problems(traits: Traits, ...codes: readonly FailureCode[]): Responses {
  const { wrong = WRONG_EMAIL, details } = traits;
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
            examples: Object.fromEntries(
              members.map((code) => [code, { value: exampleOf(code, wrong, details) }]),
            ),
          },
        },
        headers: HEADERS[status] ?? {},
      },
    ]),
  );
}
