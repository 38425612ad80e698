import { expect } from 'vitest';
import { readSealed } from '../../../src/ledger/registrations/password.ts';
import { signsIn } from '../../support/passwords.ts';
import { test } from '../../support/saga-test.ts';
import { createScript, type Path } from '../../support/script.ts';
import { MATRIX } from './matrix.ts';

/** Runs the whole matrix on one path. */
export function testMatrix(path: Path): void {
  const script = createScript(path);
  test.override('sagaOptions', { wrap: script.wrap, retryBudgetSeconds: 2 });
  test.afterEach(async ({ saga }) => {
    await saga.pool.clearFaults();
    await saga.pool.clearCalls();
    await saga.allowAudit();
  });

  test.for(MATRIX)(
    `${path} path, $step: $fault`,
    async ({ arrange, act, password, outcome }, { saga }) => {
      const stage = { saga, script, path };
      await arrange(stage);
      const registration = await saga.register({
        roles: ['viewer', 'researcher'],
        ...(password === undefined ? {} : { password }),
      });
      await act?.(stage, registration);

      expect(await saga.ending(registration.id)).toBe(outcome.ending);
      const row = await saga.row(registration.id);
      const stays = outcome.status === 'completed';
      expect({ ...(await saga.world(registration)), failure: row.failure?.code ?? null }).toEqual({
        mark: stays ? registration.id : null,
        roles: stays ? ['researcher', 'viewer'] : [],
        status: outcome.status,
        failure: outcome.failure,
      });
      expect(await saga.events(registration.id)).toEqual(outcome.events);
      expect((await readSealed(saga.db, row.id)).sealed).toBeNull();
      const letIn = password !== undefined && (await signsIn(saga.pool, row.email, password));
      expect(letIn).toBe(password !== undefined && stays);
      const deletes = (await saga.pool.calls())['AdminDeleteUser']?.done ?? 0;
      expect(deletes === 0 || !stays, 'a completed user was deleted').toBe(true);
    },
  );
}
