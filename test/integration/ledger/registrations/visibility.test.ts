import * as fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { maySee, type Caller } from '../../../../src/domain/grants.ts';
import {
  countRegistrations,
  listRegistrations,
} from '../../../../src/ledger/registrations/read.ts';
import { Ledger } from '../ledger-under-test.ts';

let ledger: Ledger;
beforeAll(async () => {
  ledger = await Ledger.start(2);
});
afterAll(() => ledger.stop());

// Few enough to meet, and each one a nuisance to whoever writes arrays as text.
const role = fc.constantFrom('a', 'A', 'b', 'b,c', '"', '\\', '{}', 'NULL', 'null', '*', '名', "'");
const person = fc.constantFrom('alice', 'bob', 'client:alice', "o'neil", '');
const roleSet = fc.uniqueArray(role, { maxLength: 4 });

test('what the database lets a caller see is what maySee says', async () => {
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
      expect(listed.map((row) => row.id).toSorted()).toEqual(expected.toSorted());
      expect(await countRegistrations(ledger.db, { visibleTo })).toBe(expected.length);
    }),
    { numRuns: 100 },
  );
});
