import { expect, test } from 'vitest';
import { parseOptions } from '../../bench/options.ts';

test('without options both engines and all contenders are compared in three rounds', () => {
  const { what, engines, contenders, plan, write } = parseOptions([]);
  expect({ what, write, rounds: plan.rounds }).toEqual({
    what: 'compare',
    write: false,
    rounds: 3,
  });
  expect(engines).toEqual(['server', 'dev-server']);
  expect(contenders).toEqual(['registrar', 'saga', 'empty', 'direct']);
});

test('--quick is one round, and --rounds wins over it', () => {
  expect(parseOptions(['--quick']).plan.rounds).toBe(1);
  expect(parseOptions(['--quick', '--rounds', '2']).plan.rounds).toBe(2);
});

test.each([
  [['--rounds', '0'], '--rounds must be a whole number'],
  [['--engine', 'cloud'], '--engine must be one of server, dev-server'],
  [['--only', 'saga,other'], 'not "other"'],
  [['--write', '--only', 'registrar'], '--write needs all contenders'],
  [['--aged', '--memory'], 'choose one of --aged, --memory'],
])('%j is refused with the reason', (args, reason) => {
  expect(() => parseOptions(args)).toThrow(reason);
});
