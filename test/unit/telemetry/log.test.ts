import { execFileSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { emailHash } from '../../../src/secrets/email-hash.ts';
import { openLog } from '../../../src/telemetry/log.ts';
import { REPOSITORY } from '../../support/program.ts';

/** The one line that a call writes. */
function lineOf(fields: object, message = 'said'): Record<string, unknown> {
  const written: string[] = [];
  openLog('trace', 'api', { write: (line) => void written.push(line) }).info(fields, message);
  expect(written).toHaveLength(1);
  return JSON.parse(written[0] ?? '') as Record<string, unknown>;
}

describe('the wall behind the rule', () => {
  test('fields that hold a person or a secret are hidden, one level down too', () => {
    const line = lineOf({ email: 'a', user: { firstName: 'b', sub: 'c' }, token: 'd', code: 'e' });
    expect(line).toMatchObject({
      email: '[hidden]',
      user: { firstName: '[hidden]', sub: 'c' },
      token: '[hidden]',
      code: 'e',
    });
  });

  test.each([
    ['ada@example.com', '[hidden]'],
    ['no ada.l+x@mail.example.co.uk here', 'no [hidden] here'],
    ['postgres://registrar@127.0.0.1/x', 'postgres:[hidden]/x'],
    ['Bearer eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.abc-_d', 'Bearer [hidden]'],
    [
      'at /node_modules/@aws-sdk/client/index.js:1:2',
      'at /node_modules/@aws-sdk/client/index.js:1:2',
    ],
    ['the key@', 'the key@'],
    ['\nada@example.com\u001bada@example.com', '\n[hidden]\u001b[hidden]'],
  ])('%s, wherever it stands', (text, shown) => {
    expect(lineOf({ reason: text, deep: { a: { b: [text] } } }, text)).toMatchObject({
      reason: shown,
      deep: { a: { b: [shown] } },
      msg: shown,
    });
  });

  test('a long line is written in no time', () => {
    const begun = performance.now();
    lineOf({ stack: `${'a.'.repeat(5000)}@${'b-'.repeat(5000)}` });
    expect(performance.now() - begun).toBeLessThan(1000);
  });
});

test('the command of docs/runbook.md prints the hash that the log has for an address', async () => {
  const command = "printf %s 'ada@example.com' | sha256sum | cut -c1-16";
  expect(await readFile(`${REPOSITORY}docs/runbook.md`, 'utf8')).toContain(command);
  const printed = execFileSync('sh', ['-c', command], { encoding: 'utf8' }).trim();
  expect(emailHash('ada@example.com')).toBe(printed);
});
