import { Hono } from 'hono';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseFaultPlan, FaultPlanError } from '../../../../dev/cognito/fault-plan.ts';
import { normaliseEmail } from '../../../../src/domain/email.ts';
import { createPasswordPolicy } from '../../../../src/domain/password-policy.ts';
import { pointerTo, Problem } from '../../../../src/http/problems/problem-details.ts';
import { idempotencyKeyOf } from '../../../../src/http/request/idempotency-key.ts';
import { waitSecondsOf } from '../../../../src/http/request/prefer.ts';
import { newRegistration, toWanted } from '../../../../src/http/registrations/registration-body.ts';
import { parse } from '../../../../src/http/request/validate.ts';
import { Secret } from '../../../../src/secrets/secret.ts';

const noise = fc.string({ unit: 'binary' });

describe('Prefer', () => {
  const other = fc.constantFrom(
    'respond-async',
    'return=minimal',
    'wait',
    'wait=',
    'wait=x',
    '',
    ';',
  );

  test('whatever it says, a wait is none or from 0 to 60 whole seconds', () => {
    const near = fc
      .tuple(
        fc.constantFrom('wait', 'WAIT', 'wai'),
        fc.constantFrom('=', ' = ', '==', ' '),
        fc.constantFrom('0', '12', '"12"', '61', '99999999999999999999', '9e9', '-1', '0.5', '"'),
        fc.constantFrom('', ' ', ';', ';a', ',', '.', 'x'),
      )
      .map((parts) => parts.join(''));
    let waits = 0;
    fc.assert(
      fc.property(fc.oneof(noise, near), (text) => {
        const seconds = waitSecondsOf(text);
        if (seconds === null) return;
        waits += 1;
        expect(Number.isInteger(seconds) && seconds >= 0 && seconds <= 60).toBe(true);
      }),
    );
    expect(waits).toBeGreaterThan(0);
  });

  test('the first readable wait counts, among whatever else is preferred', () => {
    const seconds = fc.nat(10_000);
    fc.assert(
      fc.property(
        fc.array(other),
        seconds,
        seconds,
        fc.boolean(),
        (before, first, next, quotes) => {
          const wait = quotes ? `WAIT = "${first}"` : `wait=${first}; a=b`;
          const header = [...before, wait, `wait=${next}`].join(', ');
          expect(waitSecondsOf(header)).toBe(Math.min(first, 60));
        },
      ),
    );
  });
});

describe('Idempotency-Key', () => {
  const app = new Hono()
    .get('/', (c) => c.json(idempotencyKeyOf(c)))
    .onError((error, c) => c.text(error instanceof Problem ? error.code : String(error), 422));
  const ask = async (key: string) => {
    const answer = await app.request('/', { headers: { 'idempotency-key': key } });
    return { status: answer.status, text: await answer.text() };
  };

  test('1–255 visible ASCII characters are taken as they are; anything else is refused', async () => {
    const latin = fc.string({
      unit: fc.integer({ min: 1, max: 255 }).map((code) => String.fromCharCode(code)),
      maxLength: 300,
      size: 'max',
    });
    const visible = fc.oneof(
      fc.stringMatching(/^[!-~]{1,300}$/),
      fc.integer({ min: 250, max: 260 }).map((length) => '~'.repeat(length)),
    );
    // Fetch itself takes blanks off the ends, and no line ends.
    const key = fc
      .oneof(latin, visible)
      .filter((text) => text === text.trim() && !/[\r\n]/.test(text));
    await fc.assert(
      fc.asyncProperty(key, async (text) => {
        const fits = /^[!-~]{1,255}$/.test(text);
        const told = { status: 422, text: 'invalid_request' };
        expect(await ask(text)).toEqual(fits ? { status: 200, text: JSON.stringify(text) } : told);
      }),
    );
  });
});

describe('a body', () => {
  const schema = newRegistration({ attributes: ['locale'], sealing: null });
  const passwords = {
    secret: (text: string) => new Secret(text),
    passwordPolicy: createPasswordPolicy('composition', new Set()),
  };
  const role = fc.constantFrom('viewer', 'admin', 'researcher');
  const good = fc.record(
    {
      email: fc.constantFrom('ada@example.com', ' Grace@Example.COM '),
      roles: fc.array(role, { maxLength: 30 }),
      username: fc.option(fc.stringMatching(/^[a-z]{3,50}$/)),
      firstName: fc.option(fc.stringMatching(/^[A-Za-zÀ-ÿ]{1,50}$/)),
      attributes: fc.record({ locale: fc.constant('en') }, { requiredKeys: [] }),
      emailVerified: fc.boolean(),
    },
    { requiredKeys: ['email', 'roles'] },
  );

  const problemOf = (body: unknown): Problem | null => {
    try {
      parse(schema, body);
      return null;
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      return error;
    }
  };

  test('that fits is wanted as sent: one form of the address, each role once', () => {
    fc.assert(
      fc.property(good, (body) => {
        const wanted = toWanted(passwords, parse(schema, body));
        expect(wanted.email).toBe(normaliseEmail(body.email));
        expect(wanted.roles).toEqual([...new Set(body.roles)]);
        expect(wanted.rolesSent).toEqual(body.roles);
        expect(wanted.firstName).toBe(body.firstName ?? null);
        expect(wanted.emailVerified).toBe(body.emailVerified ?? true);
      }),
    );
  });

  test('of any kind is taken or refused in places, never with what was sent', () => {
    const secret = 'Hunter2Hunter2';
    const wrong = fc.oneof(fc.jsonValue(), fc.constant(secret), fc.constant([secret]));
    const changed = fc
      .tuple(good, fc.constantFrom('email', 'roles', 'username', 'attributes', 'other'), wrong)
      .map(([body, key, value]): unknown => ({ ...body, [key]: value }));
    let refused = 0;
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), changed), (body) => {
        const problem = problemOf(body);
        if (problem === null) return;
        refused += 1;
        const { errors = [] } = problem.extras;
        expect(problem.code).toBe('invalid_request');
        expect(errors.length).toBeGreaterThan(0);
        for (const { pointer, code, detail } of errors) {
          expect(pointer).toMatch(/^#(\/|$)/);
          expect(code).toMatch(/^[a-z_]+$/);
          expect(detail).not.toContain(secret);
        }
      }),
    );
    expect(refused).toBeGreaterThan(0);
  });

  test('with one field more is refused at that field', () => {
    const name = fc
      .string({ minLength: 1, maxLength: 64 })
      .filter((key) => !Object.hasOwn(schema.shape, key));
    fc.assert(
      fc.property(good, name, (body, key) => {
        fc.pre(key !== '__proto__');
        const { errors = [] } = problemOf({ ...body, [key]: 1 })?.extras ?? {};
        expect(errors).toEqual([
          {
            pointer: pointerTo(key),
            code: 'unknown_field',
            detail: 'Unknown field.',
          },
        ]);
      }),
    );
  });
});

test('a pointer leads back to the keys it was made of', () => {
  const key = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 32 }),
    fc.nat().map(String),
    fc.constantFrom('~', '/', '~1', '~0', '#', '%2F', ' '),
  );
  fc.assert(
    fc.property(fc.array(key), (path) => {
      const [hash, ...segments] = pointerTo(...path).split('/');
      const keys = segments.map((segment) =>
        decodeURIComponent(segment).replaceAll('~1', '/').replaceAll('~0', '~'),
      );
      expect([hash, ...keys]).toEqual(['#', ...path]);
    }),
  );
});

describe('an e-mail', () => {
  test('is one address, however it is written', () => {
    const blanks = fc.stringMatching(/^[ \t\n]{0,3}$/);
    const cases = fc.array(fc.boolean(), { minLength: 64, maxLength: 64 });
    fc.assert(
      fc.property(fc.emailAddress(), blanks, blanks, cases, (address, before, after, upper) => {
        const once = normaliseEmail(address);
        const spelt = Array.from(address)
          .map((letter, index) => (upper[index % 64] ? letter.toUpperCase() : letter))
          .join('');
        expect(normaliseEmail(`${before}${spelt}${after}`)).toBe(once);
        expect(once === null ? null : normaliseEmail(once)).toBe(once);
      }),
    );
  });
});

describe('a fault plan', () => {
  const ms = fc.nat(10_000);
  const fault = fc.oneof(
    fc.record({ kind: fc.constant('latency' as const), ms }),
    fc.record({ kind: fc.constant('throttle' as const) }),
    fc.record({
      kind: fc.constant('server' as const),
      status: fc.constantFrom(500 as const, 503 as const),
    }),
    fc.record({
      kind: fc.constant('replyLost' as const),
      effect: fc.constant('after' as const),
      lateMs: ms,
      cutAfterMs: ms,
    }),
    fc.record({ kind: fc.constant('replyLost' as const), effect: fc.constant('before' as const) }),
    fc.record({ kind: fc.constant('lag' as const), ms }),
    fc.record({ kind: fc.constant('duplicate' as const), ms }),
    fc.record({
      kind: fc.constant('error' as const),
      error: fc.constant('InternalErrorException'),
    }),
  );
  const rule = fc.record(
    {
      operation: fc.constantFrom('*', 'AdminCreateUser'),
      match: fc.record({ email: fc.constant('parked*') }),
      times: fc.nat(9),
      after: fc.nat(9),
      fault,
    },
    { requiredKeys: ['operation', 'fault'] },
  );

  const refusalOf = (plan: unknown): string | null => {
    try {
      parseFaultPlan(plan);
      return null;
    } catch (error) {
      if (!(error instanceof FaultPlanError)) throw error;
      return error.message;
    }
  };

  test('that fits is taken as written', () => {
    fc.assert(
      fc.property(fc.array(rule), (plan) => {
        expect(parseFaultPlan(plan)).toEqual(plan);
      }),
    );
  });

  test('with a key more is refused at its rule', () => {
    const key = fc.stringMatching(/^[a-z]{4}$/);
    fc.assert(
      fc.property(fc.array(rule, { maxLength: 3 }), rule, key, (before, last, name) => {
        const plan = [...before, { ...last, [name]: 1 }];
        const where = `rule ${plan.length}: ${name} is not known`;
        expect(() => parseFaultPlan(plan)).toThrow(new FaultPlanError(where));
      }),
    );
  });

  test('of any other kind is refused in one line that names the rule', () => {
    const key = fc.constantFrom('operation', 'match', 'times', 'after', 'fault', 'more');
    const wrong = fc
      .tuple(rule, key, fc.jsonValue())
      .map(([one, name, value]): unknown => ({ ...one, [name]: value }));
    fc.assert(
      fc.property(fc.oneof(fc.jsonValue(), fc.array(wrong)), (plan) => {
        const told = refusalOf(plan);
        expect(told ?? 'rule 1: taken').toMatch(/^(a fault plan is|rule \d+: )[^\n]+$/);
      }),
    );
  });
});
