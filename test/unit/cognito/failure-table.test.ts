import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  classify,
  type Lag,
  type ProviderStep,
  type Verdict,
} from '../../../src/cognito/classify.ts';
import { ProviderError } from '../../../src/cognito/provider-error.ts';
import { databaseFailure } from '../../../activities/step-failure.ts';
import { FAILURES, isFailureName, type FailureName } from '../../../src/domain/failure.ts';
import { DatabaseError } from '../../../src/ledger/database-error.ts';

const STEPS = [
  'createUser',
  'setPassword',
  'assignRole',
  'removeRole',
  'invitation',
  'deleteUser',
  'disableUser',
  'enableUser',
  'signOut',
  'readUser',
  'comparePool',
] as const;
const ROLES = ['assignRole', 'removeRole'] as const;
/** Steps of a later change of the account. */
const OF_ACCOUNT = ['disableUser', 'enableUser', 'signOut', 'readUser'] as const;
const LATER = ['setPassword', ...ROLES, 'invitation', 'deleteUser', ...OF_ACCOUNT] as const;
const FRESH: Lag = { sinceCreatedMs: 10, graceMs: 1000, parkedBefore: false };
const STALE: Lag = { sinceCreatedMs: 1000, graceMs: 1000, parkedBefore: false };
const RESUMED: Lag = { sinceCreatedMs: 5000, graceMs: 1000, parkedBefore: true };

type Meant = FailureName | 'read' | 'ask' | 'done';

interface Row {
  readonly class: string;
  readonly names: readonly string[];
  readonly steps: readonly ProviderStep[];
  readonly meant: Meant;
  readonly httpStatus?: number;
  readonly aboutPool?: boolean;
  readonly lag?: Lag;
}

const REFUSED = [
  'NotAuthorizedException',
  'AccessDeniedException',
  'UnrecognizedClientException',
  'ExpiredTokenException',
  'InvalidSmsRoleAccessPolicyException',
  'InvalidSmsRoleTrustRelationshipException',
  'InvalidEmailRoleAccessPolicyException',
  'PreconditionNotMetException',
  'OperationNotEnabledException',
  'InvalidLambdaResponseException',
  'UnexpectedLambdaException',
];
const POOL_GONE = { names: ['ResourceNotFoundException'], aboutPool: true };

/** One entry per class of errors, step and verdict. */
const TABLE: readonly Row[] = [
  { class: 'throttle', names: ['TooManyRequestsException'], steps: STEPS, meant: 'throttled' },
  {
    class: 'server',
    names: ['InternalErrorException', 'ServiceUnavailable', 'ServiceUnavailableException'],
    steps: STEPS,
    meant: 'server_error',
  },
  { class: 'server', names: ['Anything'], httpStatus: 500, steps: STEPS, meant: 'server_error' },
  { class: 'server', names: ['Anything'], httpStatus: 503, steps: STEPS, meant: 'server_error' },
  {
    class: 'ambiguous',
    names: ['TimeoutError', 'RequestTimeout', 'ECONNRESET', 'EPIPE', 'ERR_SOCKET_CLOSED'],
    steps: STEPS,
    meant: 'reply_lost',
  },
  {
    class: 'lag',
    names: ['UserNotFoundException'],
    steps: ['setPassword', ...ROLES, 'invitation', ...OF_ACCOUNT],
    lag: FRESH,
    meant: 'not_visible_yet',
  },
  {
    class: 'lag, grace spent',
    names: ['UserNotFoundException'],
    steps: ['setPassword', ...ROLES],
    lag: STALE,
    meant: 'not_visible_parked',
  },
  {
    class: 'lag, on resume',
    names: ['UserNotFoundException'],
    steps: ['setPassword', ...ROLES],
    lag: RESUMED,
    meant: 'ask',
  },
  {
    class: 'lag, grace spent',
    names: ['UserNotFoundException'],
    steps: ['invitation'],
    lag: STALE,
    meant: 'ask',
  },
  {
    class: 'conflict',
    names: ['UsernameExistsException', 'AliasExistsException'],
    steps: ['createUser'],
    meant: 'read',
  },
  {
    class: 'role missing',
    names: ['ResourceNotFoundException'],
    steps: ['assignRole'],
    meant: 'role_missing',
  },
  {
    class: 'role missing',
    names: ['ResourceNotFoundException'],
    steps: ['removeRole'],
    meant: 'done',
  },
  {
    class: 'caller',
    names: ['InvalidParameterException', 'UserLambdaValidationException'],
    steps: ['createUser'],
    meant: 'registration_rejected',
  },
  {
    class: 'caller, of a role',
    names: ['InvalidParameterException'],
    steps: ROLES,
    meant: 'rejected',
  },
  {
    class: 'caller, where nothing is sent',
    names: ['UserLambdaValidationException'],
    steps: [...ROLES, 'invitation', 'deleteUser', ...OF_ACCOUNT, 'comparePool'],
    meant: 'unknown_error',
  },
  {
    class: 'caller, where nothing is sent',
    names: ['InvalidParameterException'],
    steps: ['invitation', 'deleteUser', ...OF_ACCOUNT, 'comparePool'],
    meant: 'unknown_error',
  },
  {
    class: 'caller',
    names: ['InvalidPasswordException', 'PasswordHistoryPolicyViolationException'],
    steps: ['createUser'],
    meant: 'password_rejected',
  },
  // What setPassword sends of the caller's is the password alone.
  {
    class: 'caller',
    names: [
      'InvalidPasswordException',
      'InvalidParameterException',
      'UserLambdaValidationException',
    ],
    steps: ['setPassword'],
    meant: 'password_rejected',
  },
  // Ours, when its reply was lost: the user's state decides.
  {
    class: 'caller',
    names: ['PasswordHistoryPolicyViolationException'],
    steps: ['setPassword'],
    meant: 'read',
  },
  { class: 'refused', names: REFUSED, steps: ['createUser'], meant: 'provider_refused' },
  { class: 'refused', ...POOL_GONE, steps: ['createUser'], meant: 'provider_refused' },
  { class: 'refused, later', names: REFUSED, steps: LATER, meant: 'refused_parked' },
  { class: 'refused, later', ...POOL_GONE, steps: LATER, meant: 'refused_parked' },
  {
    class: 'mail',
    names: ['CodeDeliveryFailureException', 'LimitExceededException'],
    steps: ['invitation'],
    meant: 'mail_deferred',
  },
  {
    class: 'mail, nobody to invite',
    names: ['UnsupportedUserStateException'],
    steps: ['invitation'],
    meant: 'done',
  },
  // AWS expects this one after the user was created: the mark decides, as with a conflict.
  {
    class: 'created all the same',
    names: ['CodeDeliveryFailureException'],
    steps: ['createUser'],
    meant: 'read',
  },
  {
    class: 'gone',
    names: ['UserNotFoundException'],
    steps: ['deleteUser', 'signOut'],
    meant: 'done',
  },
  {
    class: 'vanished',
    names: ['UserNotFoundException'],
    steps: ['disableUser', 'enableUser', 'readUser'],
    meant: 'user_vanished',
  },
  {
    class: 'unknown',
    names: ['NobodyKnowsException', 'Error', 'Unknown', ''],
    steps: STEPS,
    meant: 'unknown_error',
  },
];

const CASES = TABLE.flatMap((row) =>
  row.names.flatMap((name) => row.steps.map((step) => ({ ...row, name, step }))),
);

function meaningOf(verdict: Verdict): Meant {
  return verdict.kind === 'fail' ? verdict.failure : verdict.kind;
}

describe('classification, row by row', () => {
  test.each(CASES)('$class: $name in $step means $meant', (row) => {
    const error = new ProviderError(row.name, row.httpStatus ?? 400, row.aboutPool);
    expect(meaningOf(classify(row.step, error, row.lag ?? STALE))).toBe(row.meant);
  });

  test('a throttle is an HTTP 400 and a 5xx throttle is still a throttle', () => {
    const error = new ProviderError('TooManyRequestsException', 503);
    expect(meaningOf(classify('createUser', error, FRESH))).toBe('throttled');
  });

  test('a 404 is retried until the last millisecond of the grace, and then it is final', () => {
    const error = new ProviderError('UserNotFoundException', 400);
    const at = (sinceCreatedMs: number) =>
      meaningOf(classify('assignRole', error, { ...STALE, sinceCreatedMs }));
    expect([at(0), at(999), at(1000)]).toEqual([
      'not_visible_yet',
      'not_visible_yet',
      'not_visible_parked',
    ]);
    expect(meaningOf(classify('assignRole', error, { ...RESUMED, sinceCreatedMs: 10 }))).toBe(
      'not_visible_yet',
    );
  });

  test('after the create only the listed errors are definitive', () => {
    const definitive = CASES.filter(
      ({ step, meant }) =>
        step !== 'createUser' && isFailureName(meant) && FAILURES[meant].kind === 'definitive',
    );
    expect(definitive.map(({ name, step }) => `${name} in ${step}`)).toEqual([
      'ResourceNotFoundException in assignRole',
      'InvalidParameterException in assignRole',
      'InvalidParameterException in removeRole',
      'InvalidPasswordException in setPassword',
      'InvalidParameterException in setPassword',
      'UserLambdaValidationException in setPassword',
      'UserNotFoundException in disableUser',
      'UserNotFoundException in enableUser',
      'UserNotFoundException in readUser',
    ]);
  });
});

describe('totality', () => {
  const names = fc.oneof(
    fc.string(),
    fc.constantFrom(...new Set(TABLE.flatMap((row) => row.names))),
    fc.constantFrom('__proto__', 'constructor', 'toString'),
  );
  const lags = fc.record({
    sinceCreatedMs: fc.option(fc.double({ noNaN: true, min: -1e6, max: 1e9 })),
    graceMs: fc.nat(),
    parkedBefore: fc.boolean(),
  });

  test('every error of every step has a verdict, which is a key of the failure table', () => {
    fc.assert(
      fc.property(
        names,
        fc.option(fc.integer()),
        fc.boolean(),
        fc.constantFrom(...STEPS),
        lags,
        (name, httpStatus, aboutPool, step, lag) => {
          const verdict = classify(step, new ProviderError(name, httpStatus, aboutPool), lag);
          const meant = meaningOf(verdict);
          expect(isFailureName(meant) || ['read', 'ask', 'done'].includes(meant)).toBe(true);
        },
      ),
      { numRuns: 2000 },
    );
  });

  test('no unknown error makes compensation give up', () => {
    fc.assert(
      fc.property(fc.string(), fc.option(fc.integer()), (name, httpStatus) => {
        const verdict = classify('deleteUser', new ProviderError(name, httpStatus), STALE);
        const kind = verdict.kind === 'fail' ? FAILURES[verdict.failure].kind : verdict.kind;
        expect(['transient', 'parked', 'done']).toContain(kind);
      }),
    );
  });
});

describe('database rows of the table', () => {
  const definitive = ['22001', '22P05', '23502', '23514', '42501', '42P01', 'P0001'];
  const transient = ['23505', '08006', '25006', '40001', '40P01', '53300', '55P03', '57014'];
  const unlisted = ['57P01', 'XX000', 'P0002', 'ECONNRESET', 'CONNECT_TIMEOUT', 'unknown', '22'];

  test.each(definitive)(
    'a database error %s compensates in complete and is retried elsewhere',
    (sqlstate) => {
      const error = new DatabaseError(sqlstate, null);
      expect(databaseFailure(error, 'complete')).toBe('database_refused');
      expect(databaseFailure(error, 'createUser')).toBe('database_unavailable');
    },
  );

  test.each([...transient, ...unlisted])(
    'a database error %s is retried without end',
    (sqlstate) => {
      const error = new DatabaseError(sqlstate, null);
      expect(databaseFailure(error, 'complete')).toBe('database_unavailable');
    },
  );
});
