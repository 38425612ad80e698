import * as fc from 'fast-check';
import { expect } from 'vitest';
import { maySee, type Caller } from '../../../../src/domain/grants.ts';
import {
  countRegistrations,
  listRegistrations,
} from '../../../../src/ledger/registrations/list.ts';
import { test } from '../../../support/ledger-test.ts';

test.override('maxConnections', 2);

// Few enough to meet, and each one a nuisance to whoever writes arrays as text.
const role = fc.constantFrom('a', 'A', 'b', 'b,c', '"', '\\', '{}', 'NULL', 'null', '*', '名', "'");
const person = fc.constantFrom('alice', 'bob', 'client:alice', "o'neil", '');
const roleSet = fc.uniqueArray(role, { maxLength: 4 });

test('the visibility filter of the database equals maySee', async ({ ledger }) => {
  const made: { id: string; roles: readonly string[]; requestedBy: string }[] = [];
  const rows = fc.sample(fc.record({ roles: roleSet, requestedBy: person }), {
    numRuns: 120,
    seed: 7,
  });
  for (const wanted of [...rows, { roles: [], requestedBy: 'alice' }]) {
    made.push(await ledger.accepted(wanted));
  }
  await fc.assert(
    fc.asyncProperty(person, fc.oneof(roleSet, fc.constant('*' as const)), async (id, granted) => {
      const grants = granted === '*' ? granted : new Set(granted);
      const caller: Caller = { id, grants };
      const visibleTo = { callerId: id, grants };
      const listed = await listRegistrations(ledger.db, { visibleTo, limit: 1000 });
      const expected = made.filter((row) => maySee(caller, row)).map((row) => row.id);
      expect(listed.items.map((row) => row.id).toSorted()).toEqual(expected.toSorted());
      expect(await countRegistrations(ledger.db, { visibleTo })).toBe(expected.length);
    }),
    { numRuns: 100 },
  );
});
