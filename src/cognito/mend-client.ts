import {
  UpdateUserPoolClientCommand,
  type CognitoIdentityProviderClient,
  type TimeUnitsType,
  type UpdateUserPoolClientRequest,
  type UserPoolClientType,
  type UserPoolType,
} from '@aws-sdk/client-cognito-identity-provider';
import { MARK_ATTRIBUTE } from './adapter.ts';
import { clientSettings, isMadeBySetup, requiredAttributes } from './app-client.ts';
import type { Change } from './change.ts';

type Settings = Partial<UpdateUserPoolClientRequest>;
/** What falls short, as the operator reads it, and the settings that mend it. */
type Shortfall = readonly [text: string, settings: Settings];

const SECONDS = { seconds: 1, minutes: 60, hours: 3600, days: 86_400 } as const;
/** By token: the longest validity, and what counts where the client names none. */
const TOKENS = {
  AccessToken: { longest: 30, unit: 'minutes', usual: 1, usualUnit: 'hours' },
  IdToken: { longest: 30, unit: 'minutes', usual: 1, usualUnit: 'hours' },
  RefreshToken: { longest: 7, unit: 'days', usual: 30, usualUnit: 'days' },
} as const;

/** A change that gives a client of an older setup the settings of a new one, and the client as it is
 * afterwards. null: nothing falls short, or setup did not create the client. What an operator made
 * stricter stays, and so does every setting that setup does not make. */
export function mendClient(
  client: CognitoIdentityProviderClient,
  pool: UserPoolType,
  own: UserPoolClientType,
): { change: Change; mended: UserPoolClientType } | null {
  if (!isMadeBySetup(own)) return null;
  const texts: string[] = [];
  let mended = own;
  for (const [text, settings] of shortfalls(pool, own)) {
    const units = { ...mended.TokenValidityUnits, ...settings.TokenValidityUnits };
    mended = { ...mended, ...settings, TokenValidityUnits: units };
    texts.push(text);
  }
  if (texts.length === 0) return null;
  return {
    mended,
    change: {
      edits: true,
      missing: `Cognito: in app client ${own.ClientName} (${own.ClientId}), which setup created: ${texts.join('; ')}`,
      apply: async () => {
        // Cognito resets every setting that the request does not name.
        const { ClientSecret: _s, CreationDate: _c, LastModifiedDate: _l, ...settings } = mended;
        const named = { ...settings, UserPoolId: pool.Id, ClientId: own.ClientId };
        await client.send(new UpdateUserPoolClientCommand(named));
      },
    },
  };
}

function shortfalls(pool: UserPoolType, own: UserPoolClientType): Shortfall[] {
  const { ExplicitAuthFlows = [], RefreshTokenRotation, WriteAttributes } = clientSettings(pool);
  const found: Shortfall[] = [];
  const flows = own.ExplicitAuthFlows ?? [];
  if (flows.toSorted().join() !== ExplicitAuthFlows.join()) {
    const text = `allow the sign-in flow ${ExplicitAuthFlows.join(', ')} only, instead of ${flows.join(', ') || 'the defaults'}`;
    found.push([text, { ExplicitAuthFlows }]);
  }
  const rotation = own.RefreshTokenRotation;
  if (rotation?.Feature !== 'ENABLED' || (rotation.RetryGracePeriodSeconds ?? 0) > 0) {
    found.push(['rotate refresh tokens, without a grace period', { RefreshTokenRotation }]);
  }
  for (const token of Object.keys(TOKENS) as (keyof typeof TOKENS)[]) {
    const { longest, unit, usual, usualUnit } = TOKENS[token];
    // 0 is what some answers have for "not set".
    const value = own[`${token}Validity`] || usual;
    const valueUnit: TimeUnitsType = own[`${token}Validity`]
      ? (own.TokenValidityUnits?.[token] ?? usualUnit)
      : usualUnit;
    if (value * SECONDS[valueUnit] > longest * SECONDS[unit]) {
      const settings = { [`${token}Validity`]: longest, TokenValidityUnits: { [token]: unit } };
      found.push([
        `${token}Validity ${longest} ${unit} instead of ${value} ${valueUnit}`,
        settings,
      ]);
    }
  }
  if (own.EnableTokenRevocation !== true) {
    found.push(['enable token revocation', { EnableTokenRevocation: true }]);
  }
  if (own.PreventUserExistenceErrors !== 'ENABLED') {
    const settings = { PreventUserExistenceErrors: 'ENABLED' } as const;
    found.push(['set PreventUserExistenceErrors to ENABLED', settings]);
  }
  const required = requiredAttributes(pool);
  const kept = own.WriteAttributes?.length ? own.WriteAttributes : WriteAttributes;
  const refused = new Set([MARK_ATTRIBUTE, ...(required.includes('email') ? [] : ['email'])]);
  const writable = new Set([...kept.filter((name) => !refused.has(name)), ...required]);
  if (!own.WriteAttributes?.length || kept.some((name) => !writable.has(name))) {
    const text = `let users write ${[...writable].join(', ')} only, instead of ${own.WriteAttributes?.join(', ') || 'all standard attributes'}`;
    found.push([text, { WriteAttributes: [...writable] }]);
  }
  return found;
}
