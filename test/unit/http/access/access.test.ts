import { describe, expect, test } from 'vitest';
import { callerOf } from '../../../../src/http/access/caller.ts';
import type { Grant } from '../../../../src/domain/grants.ts';

const claims = { userId: 'sub-1', clientId: 'web', groups: [], scopes: [] };
const entry = (kind: Grant['subject']['kind'], name: string, roles: Grant['roles']): Grant => ({
  subject: { kind, name },
  roles,
});

describe('callerOf', () => {
  test('grants are the union of the entries that apply', () => {
    const entries = [
      entry('group', 'manager', ['a', 'b']),
      entry('group', 'other', ['x']),
      entry('scope', 's/write', ['c']),
    ];
    const caller = callerOf({ ...claims, groups: ['manager'], scopes: ['s/write'] }, entries);
    expect(caller).toEqual({ id: 'sub-1', grants: new Set(['a', 'b', 'c']) });
  });

  test('`*` is everything, in whatever order', () => {
    const entries = [entry('group', 'g', ['a']), entry('group', 'admin', '*')];
    expect(callerOf({ ...claims, groups: ['g', 'admin'] }, entries).grants).toBe('*');
  });

  test('no entry, no grant; a group is no scope and no client', () => {
    const entries = [entry('scope', 'n', '*'), entry('client', 'n', '*')];
    expect(callerOf({ ...claims, groups: ['n'] }, entries).grants).toEqual(new Set());
    expect(callerOf({ ...claims, groups: ['admin'] }, []).grants).toEqual(new Set());
  });

  test('a client’s entry is for the client alone, not for who signs in through it', () => {
    const entries = [entry('client', 'web', ['a'])];
    expect(callerOf(claims, entries).grants).toEqual(new Set());
    expect(callerOf({ ...claims, userId: null }, entries)).toEqual({
      id: 'client:web',
      grants: new Set(['a']),
    });
  });
});
