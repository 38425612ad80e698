import { and, eq, gte, inArray, lt, sql, type SQL } from 'drizzle-orm';
import type { Database } from '../../db/client.ts';
import { registrations } from '../../db/schema.ts';
import type { Registration } from '../../domain/registration.ts';
import type { RegistrationStatus } from '../../domain/status.ts';
import type { Position, Scan } from '../bounded-scan.ts';
import {
  hasEmail,
  hasEmailPrefix,
  hasUsername,
  livingAndPast,
  livingAndPastEmail,
} from './living.ts';
import { countWork, listWork, type PageOf, type WorkList } from '../work/list.ts';
import { visibilitiesOf, visible, type Caller, type VisibleTable } from '../work/visibility.ts';
import { REGISTRATION_WORK, toRegistration, type RegistrationRow } from './row.ts';

const VISIBLE: VisibleTable = { table: sql`registrations`, roles: sql`roles` };

const LIST: WorkList<RegistrationRow, RegistrationFilter> = {
  work: REGISTRATION_WORK,
  visible: VISIBLE,
  scansOf,
  within: accepted,
};

export interface RegistrationFilter {
  readonly visibleTo: Caller;
  readonly statuses?: readonly RegistrationStatus[];
  /** What they wait for or ended with. */
  readonly failureCode?: string;
  readonly email?: string;
  /** The beginning of the address, lower case. */
  readonly emailPrefix?: string;
  /** Compared without case. */
  readonly username?: string;
  readonly role?: string;
  readonly requestedBy?: string;
  readonly acceptedAfter?: Date;
  readonly acceptedBefore?: Date;
}

/** Newest first; see `listWork`. */
export async function listRegistrations(
  db: Database,
  filter: PageOf<RegistrationFilter>,
): Promise<{ items: Registration[]; next: Position | null }> {
  const { items, next } = await listWork(db, LIST, filter);
  return { items: items.map(toRegistration), next };
}

/** See `countWork`. */
export async function countRegistrations(
  db: Database,
  filter: RegistrationFilter,
): Promise<number | null> {
  return await countWork(db, LIST, filter);
}

function accepted(filter: RegistrationFilter): SQL | undefined {
  return and(
    filter.acceptedAfter && gte(registrations.acceptedAt, filter.acceptedAfter),
    filter.acceptedBefore && lt(registrations.acceptedAt, filter.acceptedBefore),
  );
}

/** A scan for each part of the filter that has an index; the other parts are its rest. */
async function scansOf(db: Database, filter: RegistrationFilter): Promise<Scan[]> {
  const { statuses = [], failureCode, requestedBy, email, emailPrefix, username, role } = filter;
  const may = visible(VISIBLE, filter.visibleTo);
  const hasRole = role ? sql`roles @> ${sql.param([role])}::text[]` : undefined;
  const status = statuses.length > 0 ? inArray(registrations.status, [...statuses]) : undefined;
  const failure = failureCode ? eq(registrations.failureCode, failureCode) : undefined;
  const requester = requestedBy ? eq(registrations.requestedBy, requestedBy) : undefined;
  const address = email ? hasEmail(email) : undefined;
  const prefix = emailPrefix ? hasEmailPrefix(emailPrefix) : undefined;
  const name = username ? hasUsername(username) : undefined;

  const parts = [may, hasRole, status, failure, requester, address, prefix, name];
  const rest = (...known: (SQL | undefined)[]) =>
    and(...parts.filter((part) => !known.includes(part)));
  const ordered = (ranges: readonly SQL[], ...known: (SQL | undefined)[]): Scan => ({
    ranges,
    ordered: true,
    rest: rest(...known),
  });

  // The most selective first.
  const scans: Scan[] = [];
  const search = (ranges: readonly SQL[], known: SQL) =>
    scans.push({ ranges, ordered: false, rest: rest(known) });
  if (name) search(livingAndPast(name), name);
  if (address) search(livingAndPastEmail(address), address);
  if (prefix) search(livingAndPastEmail(prefix), prefix);
  if (failure) scans.push(ordered([failure], failure));
  if (requester) scans.push(ordered([requester], requester));
  const visibilities =
    may || hasRole ? await visibilitiesOf(db, VISIBLE, filter.visibleTo, role) : null;
  if (visibilities) scans.push(ordered(visibilities, may, hasRole));
  if (status) scans.push(ordered(...phases(statuses, status)));
  if (!scans.some((scan) => scan.ordered)) scans.push(ordered([sql`true`]));
  return scans;
}

/** Ranges of phases, since no index names the status, and what they know of the filter. */
function phases(
  statuses: readonly RegistrationStatus[],
  status: SQL,
): [ranges: SQL[], known: SQL | undefined] {
  const isActive = (one: RegistrationStatus) => one === 'accepted' || one === 'running';
  const names = new Set(statuses.map((one) => (isActive(one) ? 'active' : one)));
  const exact = [0, 2].includes(new Set(statuses.filter(isActive)).size);
  return [[...names].map((phase) => sql`phase = ${phase}`), exact ? status : undefined];
}
