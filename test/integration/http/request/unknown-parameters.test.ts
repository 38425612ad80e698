import { randomUUID } from 'node:crypto';
import { expect } from 'vitest';
import { newBody, problem } from '../api-under-test.ts';
import { test } from '../../../support/api-test.ts';

interface Operation {
  readonly tags: readonly string[];
  readonly security?: object[];
  readonly requestBody?: object;
  readonly responses: Record<string, { description: string }>;
}

let operations: { method: string; path: string; operation: Operation }[];
test.beforeAll(async ({ api }) => {
  const { paths } = (await api.call('/openapi.json')).body as {
    paths: Record<string, Record<string, Operation>>;
  };
  operations = Object.entries(paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({
      method: method.toUpperCase(),
      path: path.replace('{id}', randomUUID()),
      operation,
    })),
  );
});

const unknown = (pointer: string) => ({
  pointer,
  code: 'unknown_parameter',
  detail: 'Unknown query parameter.',
});

test('every canonical operation refuses a query parameter that it does not have, by name', async ({
  api,
}) => {
  const canonical = operations.filter(
    ({ operation: { security, tags } }) => security && !tags.some((tag) => tag.startsWith('Door')),
  );
  expect(canonical.length).toBeGreaterThanOrEqual(10);
  for (const { method, path, operation } of canonical) {
    const at = `${path}?emial=a&b%2Fc=1&emial=b&__proto__=1`;
    const json = operation.requestBody ? { json: newBody() } : {};
    const answer = await api.call(at, { method, ...json });
    expect([method, path, answer.body]).toEqual([
      method,
      path,
      {
        ...problem(answer, 'invalid_request', 422, 'Invalid request'),
        errors: ['#/query/emial', '#/query/b~1c', '#/query/__proto__'].map(unknown),
      },
    ]);
    expect(operation.responses['422']?.description).toContain('`invalid_request`');
    expect((await api.call(at, { method, token: null })).status).toBe(401);
  }
});

test('a registration with a misspelt parameter is not accepted', async ({ api }) => {
  const json = newBody();
  const answer = await api.call('/registrations?wiat=10', { method: 'POST', json });
  expect(answer.status).toBe(422);
  expect(await api.sql`SELECT 1 FROM registrations WHERE email = ${json.email}`).toEqual([]);
});

test('an unknown parameter is named in the answer, shortened to a bounded length', async ({
  api,
}) => {
  const name = 'x'.repeat(5000);
  const answer = await api.call(`/registrations?${name}=1&%ff=1&=1`);
  expect(answer.body.errors).toEqual([
    unknown(`#/query/${'x'.repeat(64)}`),
    unknown(`#/query/${encodeURIComponent('\ufffd')}`),
    unknown('#/query/'),
  ]);
});

test('doors and probes ignore query parameters that they do not know', async ({ api }) => {
  const app = api.app({ doors: new Set(['users', 'step', 'signup']) });
  for (const path of ['/api/users', '/api/step/users', '/auth/register']) {
    const wrong = (await api.call(`${path}?emial=a`, { method: 'POST', json: {}, app })).body;
    expect(JSON.stringify(wrong)).not.toContain('emial');
    expect(JSON.stringify(wrong)).toContain('email');
  }
  for (const path of ['/health/live', '/health/ready']) {
    expect((await api.call(`${path}?emial=a`)).status).toBe(200);
  }
});
