import type { Caller, Grant, Grants } from '../../domain/grants.ts';
import type { TokenClaims } from './tokens.ts';

/** What of a token says who calls. */
type Identity = Pick<TokenClaims, 'userId' | 'clientId' | 'groups' | 'scopes'>;

/** Who calls and what ROLE_GRANTS lets them do; no entry, no grant. */
export function callerOf(claims: Identity, entries: readonly Grant[]): Caller {
  return {
    id: claims.userId ?? `client:${claims.clientId}`,
    grants: grantsOf(claims, entries),
  };
}

function grantsOf(claims: Identity, entries: readonly Grant[]): Grants {
  const granted = new Set<string>();
  for (const { subject, roles } of entries) {
    if (!applies(subject, claims)) continue;
    if (roles === '*') return '*';
    for (const role of roles) granted.add(role);
  }
  return granted;
}

function applies({ kind, name }: Grant['subject'], claims: Identity): boolean {
  if (kind === 'group') return claims.groups.includes(name);
  if (kind === 'scope') return claims.scopes.includes(name);
  // Only the client itself: everybody who signs in through it carries its id as well.
  return claims.userId === null && claims.clientId === name;
}
