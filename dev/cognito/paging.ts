import type { Body } from './model.ts';
import { invalidParameter } from './service-error.ts';

interface Paging {
  readonly items: string;
  readonly limit: string;
  readonly token: string;
}

const PAGED: Readonly<Record<string, Paging>> = {
  ListGroups: { items: 'Groups', limit: 'Limit', token: 'NextToken' },
  AdminListGroupsForUser: { items: 'Groups', limit: 'Limit', token: 'NextToken' },
  ListUsersInGroup: { items: 'Users', limit: 'Limit', token: 'NextToken' },
  ListUsers: { items: 'Users', limit: 'Limit', token: 'PaginationToken' },
  ListUserPoolClients: { items: 'UserPoolClients', limit: 'MaxResults', token: 'NextToken' },
};

// The service gives at most 60 of anything at once; who forgets the next page must notice.
const LARGEST_PAGE = 60;

/** Cuts a complete answer to the page that was asked for. */
export function pageOf(operation: string, body: Body, answer: Body): Body {
  const paging = PAGED[operation];
  if (paging === undefined) return answer;
  const all = answer[paging.items] as unknown[];
  const limit = body[paging.limit] === undefined ? LARGEST_PAGE : Number(body[paging.limit]);
  if (!Number.isInteger(limit) || limit < 0 || limit > LARGEST_PAGE) {
    throw invalidParameter(`1 validation error detected: Value at '${paging.limit}' is not valid`);
  }
  const token = body[paging.token];
  const start = typeof token === 'string' ? Number(Buffer.from(token, 'base64url')) : 0;
  if (!Number.isInteger(start)) throw invalidParameter(`Invalid ${paging.token}`);
  const end = start + (limit || LARGEST_PAGE);
  return {
    ...answer,
    [paging.items]: all.slice(start, end),
    ...(end < all.length ? { [paging.token]: Buffer.from(String(end)).toString('base64url') } : {}),
  };
}
