import { describe, expect } from 'vitest';
import { failureOfCode, FAILURES, type FailureCode } from '../../../../src/domain/failure.ts';
import { documented } from '../document-schema.ts';
import { test } from '../../../support/api-test.ts';

interface Media {
  readonly schema: object;
  readonly examples?: Record<string, { value: Body }>;
}
interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly { in: string; name: string }[];
  readonly requestBody?: { content: Record<string, { schema: { $ref?: string } }> };
  readonly responses: Record<string, { description: string; content?: Record<string, Media> }>;
}
interface Place {
  readonly pointer: string;
  readonly code: string;
}
type Body = Record<string, unknown>;
type Document = Body & {
  readonly paths: Record<string, Record<string, Operation>>;
  readonly components: { schemas: Record<string, { properties?: Body }> };
};

/** Codes that belong to no operation of the document, and why. */
const NOWHERE: Partial<Record<FailureCode, string>> = {
  not_found: 'an address that is not there',
  method_not_allowed: 'a method that is not there',
  identity_provider_throttled: 'only in receipts',
  identity_provider_unavailable: 'only in receipts',
  user_not_visible: 'only in receipts',
  mail_deferred: 'only in receipts',
  mail_unconfirmed: 'only in receipts',
  profile_unavailable: 'only in receipts',
};

let document: Document;
test.beforeAll(async ({ api }) => {
  const doors = new Set(['users', 'step', 'signup', 'session', 'seeding']);
  document = (await api.call('/openapi.json', { app: api.app({ doors }) })).body as Document;
});

function operations(): Operation[] {
  return Object.values(document.paths).flatMap((item) => Object.values(item));
}

/** Every example of an answer from 400 up. */
function examples() {
  return operations().flatMap((operation) =>
    Object.entries(operation.responses)
      .filter(([status]) => Number(status) >= 400)
      .flatMap(([status, { description, content = {} }]) =>
        Object.entries(content).flatMap(([type, media]) =>
          Object.entries(media.examples ?? {}).map(([name, { value }]) => ({
            operation,
            status: Number(status),
            description,
            type,
            name,
            media,
            value,
          })),
        ),
      ),
  );
}

/** Whether a pointer leads into what an operation is sent; to a parameter that the operation does not
 * have, where the error says so. */
function leadsIntoRequest(operation: Operation, { pointer, code }: Place): boolean {
  const [, first = '', second = ''] = pointer.split('/');
  if (code === 'unknown_parameter') return !has(operation, 'query', second);
  if (first === 'path') return has(operation, 'path', second);
  if (first === 'query') return has(operation, 'query', second);
  if (first === 'headers') return has(operation, 'header', second);
  const name = operation.requestBody?.content['application/json']?.schema.$ref?.split('/').at(-1);
  const body = document.components.schemas[name ?? ''];
  return pointer === '#' || Object.hasOwn(body?.properties ?? {}, first);
}

function has({ parameters = [] }: Operation, place: string, name: string): boolean {
  return parameters.some((one) => one.in === place && one.name.toLowerCase() === name);
}

describe('examples of errors', () => {
  test('every answer from 400 up has one, in the form that its schema describes', () => {
    const bare = operations().flatMap(({ operationId, responses }) =>
      Object.entries(responses)
        .filter(([status]) => Number(status) >= 400)
        .filter(([, { content = {} }]) =>
          Object.values(content).every(
            ({ examples: given = {} }) => Object.keys(given).length === 0,
          ),
        )
        .map(([status]) => `${operationId} ${status}`),
    );
    expect(bare).toEqual([]);
    for (const { operation, name, media, value } of examples()) {
      const result = documented(document, media.schema).safeParse(value);
      expect(result.error?.issues, `${operation.operationId} ${name}`).toBeUndefined();
    }
  });

  test('each says its code, the status of it, and the words of the table', () => {
    const coded = examples().filter(({ value }) => 'code' in value);
    expect(coded.length).toBeGreaterThan(100);
    for (const { status, type, name, value } of coded) {
      const failure = failureOfCode(String(value['code']));
      expect([name, failure?.httpStatus]).toEqual([value['code'], status]);
      if (type === 'application/json') continue;
      const { code, title = '' } = failure ?? {};
      expect(value).toMatchObject({ type: `/problems/${code}`, code, title, status });
    }
  });

  test('a status has an example of each code that its description names', () => {
    const problems = examples().filter(({ type }) => type === 'application/problem+json');
    expect(problems.length).toBeGreaterThan(100);
    for (const { media, description } of problems) {
      const named = [...description.matchAll(/`(\w+)`/g)].map(([, code]) => code);
      expect(Object.keys(media.examples ?? {})).toEqual(named);
    }
  });

  test('where one says which part of a request is wrong, the operation has that part', () => {
    const placed = examples().flatMap(({ operation, value }) =>
      ((value['errors'] ?? []) as Place[]).map((place) => ({
        at: `${operation.operationId} ${place.pointer}`,
        leads: leadsIntoRequest(operation, place),
      })),
    );
    expect(placed.length).toBeGreaterThan(5);
    expect(placed.filter(({ leads }) => !leads)).toEqual([]);
  });

  test('every code of the table that an operation can answer is there', () => {
    const shown = new Set(examples().map(({ value }) => value['code']));
    const codes = [...new Set(Object.values(FAILURES).map(({ code }): FailureCode => code))];
    expect(codes.filter((code) => !shown.has(code)).toSorted()).toEqual(
      Object.keys(NOWHERE).toSorted(),
    );
  });
});
