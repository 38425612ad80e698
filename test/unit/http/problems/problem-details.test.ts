import { describe, expect, test } from 'vitest';
import { FAILURES } from '../../../../src/domain/failure.ts';
import { pointerTo, Problem } from '../../../../src/http/problems/problem-details.ts';

const REQUEST_ID = '6f0d7b52-91e6-4a8e-9d0f-0d6d6a3f1c55';

describe('Problem', () => {
  test.each(Object.values(FAILURES).map(({ code }) => code))('%s has a body', (code) => {
    const found = new Problem(code).body(REQUEST_ID);
    expect(found).toEqual({
      type: `/problems/${code}`,
      title: expect.stringMatching(/\S/),
      status: expect.any(Number),
      detail: expect.stringMatching(/\S/),
      code,
      instance: `urn:uuid:${REQUEST_ID}`,
    });
    expect(found.status).toBeGreaterThanOrEqual(400);
  });

  test('members that apply are there, and the list of errors is bounded', () => {
    const places = Array.from({ length: 100 }, (_, index) => ({
      pointer: pointerTo('roles', index),
      code: 'wrong_type',
      detail: 'x',
    }));
    const body = new Problem('invalid_request', {
      detail: 'Other words.',
      registrationId: 'r-1',
      errors: places,
    }).body(REQUEST_ID);
    expect(body).toMatchObject({ detail: 'Other words.', registrationId: 'r-1' });
    expect(body.errors).toEqual(places.slice(0, 20));
  });

  test('unavailable says when to come back', () => {
    expect(new Problem('unavailable').headers()).toEqual({
      'retry-after': '5',
      'content-type': 'application/problem+json',
    });
    expect(new Problem('forbidden').headers()).toEqual({
      'content-type': 'application/problem+json',
    });
  });
});

describe('pointerTo', () => {
  test.each([
    [[], '#'],
    [['roles', 0], '#/roles/0'],
    [['a/b', 'c~d'], '#/a~1b/c~0d'],
    [['\ud800 "'], '#/%EF%BF%BD%20%22'],
    [['x'.repeat(1000)], `#/${'x'.repeat(64)}`],
  ])('%j', (path, pointer) => {
    expect(pointerTo(...path)).toBe(pointer);
  });
});
