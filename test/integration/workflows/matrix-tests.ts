import { expect } from 'vitest';
import { readSealed } from '../../../src/ledger/registrations/password.ts';
import { signsIn } from '../../support/passwords.ts';
import { test } from '../../support/saga-test.ts';
import { createScript, type Path } from '../../support/script.ts';
import type { Row } from './matrix.ts';

/** Runs the whole matrix on one path. */
export function testMatrix(path: Path, matrix: readonly Row[]): void {
  const script = createScript(path);
  test.override('sagaOptions', { wrap: script.wrap, retryBudgetSeconds: 2 });
  test.afterEach(async ({ saga }) => {
    await saga.pool.clearFaults();
    await saga.pool.clearCalls();
    await saga.allowAudit();
    await (await saga.profileSite()).untilLateEffects();
    (await saga.profileSite()).clear();
  });

  test.for(matrix)(
    `${path} path, $step: $fault`,
    async ({ arrange, act, password, profile, outcome }, { saga }) => {
      const stage = { saga, script, path };
      await arrange(stage);
      const registration = await saga.register({
        roles: ['viewer', 'researcher'],
        ...(password === undefined ? {} : { password }),
        ...(profile && { wantsProfile: true }),
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
      const site = await saga.profileSite();
      await site.untilLateEffects();
      expect((await site.of(row.id))?.id ?? null).toBe(profile && stays ? row.profileId : null);
      expect(await saga.events(registration.id)).toEqual(outcome.events);
      expect((await readSealed(saga.db, row.id)).sealed).toBeNull();
      const letIn = password !== undefined && (await signsIn(saga.pool, row.email, password));
      expect(letIn).toBe(password !== undefined && stays);
      const deletes = (await saga.pool.calls())['AdminDeleteUser']?.done ?? 0;
      expect(deletes === 0 || !stays, 'a completed user was deleted').toBe(true);
    },
  );
}
