import { expect } from 'vitest';
import { test } from '../../support/saga-test.ts';

const AT_ONCE = 80;
const gate = Promise.withResolvers<void>();

test.override('sagaOptions', {
  wrap: (real) => ({
    ...real,
    registerAtOnce: async (ref) => {
      await gate.promise;
      return await real.registerAtOnce(ref);
    },
  }),
});

test('a start gets its task with the reply while 80 other fast paths are under way', async ({
  saga,
}) => {
  const accepted = await Promise.all(Array.from({ length: AT_ONCE }, () => saga.register()));
  gate.resolve();
  const started = await Promise.all(
    accepted.map(async ({ id }) => {
      await saga.handle(id).result();
      const { events } = await saga.handle(id).fetchHistory();
      return events?.[0]?.workflowExecutionStartedEventAttributes?.eagerExecutionAccepted;
    }),
  );
  expect(started.filter((eager) => eager === true)).toHaveLength(AT_ONCE);
});
