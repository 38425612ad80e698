/** Whose entry it is: a pool group, an OAuth scope, or an app client. */
export type GrantSubject = 'group' | 'scope' | 'client';

/** One entry of ROLE_GRANTS: who may hand out what. */
export interface Grant {
  readonly subject: { readonly kind: GrantSubject; readonly name: string };
  /** `*` is every role, and the right to see everything. */
  readonly roles: '*' | readonly string[];
}

/** What one caller may do; `*` or the union of its entries. */
export type Grants = '*' | ReadonlySet<string>;

/** Who calls, from a verified token. */
export interface Caller {
  /** The sub, or `client:<id>` for a token without a user. */
  readonly id: string;
  readonly grants: Grants;
}

/** Whether the caller may register nobody, not even a person without roles. */
export function grantsNothing(grants: Grants): boolean {
  return grants !== '*' && grants.size === 0;
}

/** The roles of `wanted` that the caller may not hand out. */
export function notGrantable(grants: Grants, wanted: readonly string[]): string[] {
  return grants === '*' ? [] : wanted.filter((role) => !grants.has(role));
}

/** Whether the caller may see and act on a registration. */
export function maySee(
  caller: Caller,
  registration: { readonly roles: readonly string[]; readonly requestedBy: string },
): boolean {
  if (caller.grants === '*') return true;
  if (registration.roles.length === 0) return registration.requestedBy === caller.id;
  return notGrantable(caller.grants, registration.roles).length === 0;
}
