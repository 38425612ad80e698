import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { classify, type Lag, type Verdict } from '../../../src/cognito/classify.ts';
import { ProviderError, toProviderError } from '../../../src/cognito/provider-error.ts';

const FRESH: Lag = { sinceCreatedMs: 10, graceMs: 1000, parkedBefore: false };

function meaningOf(verdict: Verdict): string {
  return verdict.kind === 'fail' ? verdict.failure : verdict.kind;
}

describe('what the way to the provider throws', () => {
  const coded = (code: string, extra: object = {}) =>
    Object.assign(new Error('the way'), { code, ...extra });
  const aborted = Object.assign(new Error('Request aborted'), { name: 'AbortError' });

  test.each([
    { thrown: coded('ECONNRESET', { errno: -104 }), meant: 'reply_lost' },
    { thrown: coded('EPIPE', { errno: -32 }), meant: 'reply_lost' },
    // A hang-up and a closed socket come without errno.
    {
      thrown: Object.assign(new Error('socket hang up'), { code: 'ECONNRESET' }),
      meant: 'reply_lost',
    },
    { thrown: coded('ERR_SOCKET_CLOSED'), meant: 'reply_lost' },
    { thrown: aborted, meant: 'reply_lost' },
    { thrown: coded('ECONNREFUSED', { errno: -111 }), meant: 'server_error' },
    // `localhost` with two addresses: Node joins both refusals, without errno.
    {
      thrown: Object.assign(new AggregateError([]), { code: 'ECONNREFUSED' }),
      meant: 'server_error',
    },
    { thrown: 'a string', meant: 'unknown_error' },
  ])('$thrown means $meant', ({ thrown, meant }) => {
    expect(meaningOf(classify('createUser', toProviderError(thrown), FRESH))).toBe(meant);
  });

  test('a service exception keeps its name whatever its text says', () => {
    const thrown = Object.assign(new Error('The operation was aborted by user pool policy'), {
      name: 'NotAuthorizedException',
      $fault: 'client',
      $metadata: { httpStatusCode: 400 },
    });
    const error = toProviderError(thrown);
    expect(error).toMatchObject({
      name: 'NotAuthorizedException',
      httpStatus: 400,
      aboutPool: true,
    });
  });
});

test('whatever is thrown becomes a ProviderError without the text of what was thrown', () => {
  fc.assert(
    fc.property(fc.anything(), fc.string({ minLength: 12 }), (thrown, text) => {
      expect(toProviderError(thrown)).toBeInstanceOf(ProviderError);
      const error = toProviderError(new TypeError(text));
      expect(error.message).not.toContain(text);
      expect(error.cause).toBeUndefined();
    }),
  );
});
