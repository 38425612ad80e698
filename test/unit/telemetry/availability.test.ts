import { expect, test } from 'vitest';
import { createAvailability } from '../../../src/telemetry/availability.ts';

function watched(failures?: number) {
  const said: string[] = [];
  const say = (_fields: object, message: string) => void said.push(message);
  const options = {
    lost: 'lost',
    restored: 'restored',
    ...(failures !== undefined && { failures }),
  };
  return { said, availability: createAvailability({ info: say, warn: say }, options) };
}

test('a loss and a return are logged once each, however often they are seen', () => {
  const { said, availability } = watched();
  availability.answered();
  for (let at = 0; at < 3; at += 1) availability.failed({});
  for (let at = 0; at < 3; at += 1) availability.answered();
  expect(said).toEqual(['lost', 'restored']);
  availability.failed({});
  expect(said).toEqual(['lost', 'restored', 'lost']);
});

test('fewer failures in a row than tolerated are no loss', () => {
  const { said, availability } = watched(3);
  for (let at = 0; at < 4; at += 1) {
    availability.failed({});
    availability.failed({});
    availability.answered();
  }
  expect(said).toEqual([]);
  for (let at = 0; at < 3; at += 1) availability.failed({});
  expect(said).toEqual(['lost']);
});
