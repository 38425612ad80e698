import { expect, test } from 'vitest';
import { quotaRates } from '../../../src/ledger/quota-rates.ts';

test('rates are divided without the noise of binary fractions', () => {
  expect(quotaRates({ createRps: 3, updateRps: 1 })).toMatchObject({
    create: 3,
    update: 0.8,
    compensation: 0.2,
    background_create: 0.6,
    background_update: 0.16,
  });
});

test('deletions and other updates share the rate of updates, whatever it is', () => {
  for (let updateRps = 0; updateRps <= 100; updateRps += 1) {
    const {
      update,
      compensation,
      background_update: background,
    } = quotaRates({
      createRps: 0,
      updateRps,
    });
    expect(update + compensation).toBeCloseTo(updateRps);
    for (const rate of [update, compensation, background]) {
      expect(String(rate).length).toBeLessThanOrEqual(5);
    }
  }
});
