import { expect, test } from 'vitest';
import { clientSettings } from '../../../src/cognito/app-client.ts';
import { clientFindings } from '../../../src/cognito/pool-findings.ts';

const CONFIG = { cognito: { clientSecret: 'secret' }, http: { doors: new Set(['session']) } };

test.each([
  [0, []],
  [
    60,
    [
      'app client registrar (c1) accepts a refresh token for 60 seconds after it was used: a thief could use it too. Set RetryGracePeriodSeconds of RefreshTokenRotation to 0',
    ],
  ],
])('a grace period of %s seconds for refresh tokens gives %j', (seconds, findings) => {
  const own = {
    ...clientSettings({}),
    ClientId: 'c1',
    ClientName: 'registrar',
    ClientSecret: 'secret',
    RefreshTokenRotation: { Feature: 'ENABLED', RetryGracePeriodSeconds: seconds },
  } as const;
  expect(clientFindings({}, [own], own, CONFIG)).toEqual(findings);
});
