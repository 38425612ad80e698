import { expect, test } from 'vitest';
import { assetPath } from '../../../../src/http/console/assets.ts';
import { h } from '../../../../src/http/console/elements.ts';
import { choiceField, errorAt, formField } from '../../../../src/http/console/fields.ts';
import { layout } from '../../../../src/http/console/layout.ts';
import { liveReceipt } from '../../../../src/http/console/live-receipt.ts';
import {
  dataTable,
  definitionList,
  problemBox,
  relativeTo,
  statusBadge,
  timeOf,
} from '../../../../src/http/console/parts.ts';
import { STATUSES } from '../../../../src/domain/status.ts';
import { EXAMPLE_RECEIPT } from '../../../../src/http/registrations/receipt-example.ts';

const HOSTILE = `"><script>alert(1)</script><img src=x onerror=alert(1)>'`;
const PROBLEM = {
  status: 422,
  code: 'invalid_request',
  detail: HOSTILE,
  errors: [{ pointer: HOSTILE, detail: HOSTILE }],
  requestId: HOSTILE,
  retryAfter: null,
} as const;

test('hostile text is text in every part', async () => {
  const page = await layout({
    page: {
      title: HOSTILE,
      section: 'person',
      main: [
        problemBox(PROBLEM),
        definitionList([[HOSTILE, HOSTILE]]),
        dataTable({
          caption: HOSTILE,
          columns: [{ head: HOSTILE, cell: (row: string) => row }],
          rows: [HOSTILE],
        }),
        formField(
          { name: 'email', label: HOSTILE, error: HOSTILE, hint: HOSTILE },
          { value: HOSTILE },
        ),
        choiceField({ name: 'roles', label: HOSTILE }, 'checkbox', [
          { value: HOSTILE, label: HOSTILE, hint: HOSTILE, isChosen: true },
        ]),
        liveReceipt({
          ...EXAMPLE_RECEIPT,
          id: HOSTILE,
          status: 'cleanup_required',
          failure: { code: 'registration_failed', cause: 'unknown_error', detail: HOSTILE },
          compensationFailures: [{ step: HOSTILE, code: 'registration_failed', detail: HOSTILE }],
        }),
      ],
    },
    operator: { name: HOSTILE },
    csrfToken: HOSTILE,
    notice: HOSTILE,
  });
  const html = String(page);
  expect(html).not.toContain('<script>alert');
  expect(html).not.toContain('<img');
  expect(html.match(/<script/g)).toHaveLength(1);
  expect(html).not.toMatch(/<[a-z][^>"]*(?:"[^"]*"[^>"]*)* onerror=/);
});

test('a page loads its own files only, and has one h1, landmarks and a link that skips to the content', async () => {
  const html = String(
    await layout({
      page: { title: 'System', section: 'system', main: h.p({}, 'Text') },
      operator: { name: 'ada' },
      csrfToken: 'token',
      notice: 'Done.',
    }),
  );
  expect(html).toMatch(/^<!doctype html><html lang="en">/);
  const loaded = [...html.matchAll(/(?:src|<link[^>]* href)="([^"]+)"/g)].map(([, path]) => path);
  expect(loaded).toEqual(
    ['icon.svg', 'console.css', 'console.js'].map((name) => assetPath(name as 'icon.svg')),
  );
  expect(html.match(/<h1/g)).toHaveLength(1);
  for (const part of [
    '<header',
    '<nav aria-label="Console"',
    '<main id="main"',
    '<footer',
    'href="#main"',
  ]) {
    expect(html).toContain(part);
  }
  expect(html).toContain('<a href="/console/system" aria-current="page">');
  expect(html).toContain('<input type="hidden" name="csrfToken" value="token"/>');
  expect(html).not.toMatch(/style=|<style/);
});

test('somebody who is signed out sees no navigation and no form', async () => {
  const html = String(
    await layout({
      page: { title: 'Sign in', section: null, main: null },
      operator: null,
      csrfToken: null,
      notice: null,
    }),
  );
  expect(html).not.toMatch(/<nav|<form/);
});

test('each status has a shape and its word', () => {
  const badges = STATUSES.map((status) => String(statusBadge(status)));
  for (const [place, badge] of badges.entries()) {
    expect(badge).toMatch(/<svg .*aria-hidden="true"/);
    expect(badge).toContain(`</svg>${STATUSES[place]?.replace('_', ' ')}</span>`);
  }
});

test('a time is counted from now in its largest unit', () => {
  const now = new Date('2026-11-27T12:00:00Z');
  const at = (seconds: number) => relativeTo(new Date(now.getTime() + seconds * 1000), now);
  expect([0, -1, -59, -60, -3599, -3600, -86_399, -86_400, 90, 7200].map(at)).toEqual([
    'now',
    '1 second ago',
    '59 seconds ago',
    '1 minute ago',
    '59 minutes ago',
    '1 hour ago',
    '23 hours ago',
    '1 day ago',
    'in 1 minute',
    'in 2 hours',
  ]);
  const shown = String(timeOf('2026-11-27T11:00:00.123Z', now));
  expect(shown).toContain('datetime="2026-11-27T11:00:00.123Z"');
  expect(shown).toContain('1 hour ago');
  expect(shown).toContain('2026-11-27 11:00:00 UTC');
});

test('an error stands at its field, which names it', () => {
  const problem = {
    ...PROBLEM,
    errors: [
      { pointer: '#/roles/0', detail: 'Unknown role.' },
      { pointer: '#/roles/1', detail: 'Unknown role.' },
      { pointer: '#/rolesSent', detail: 'Other.' },
    ],
  };
  expect(errorAt(problem, 'roles')).toBe('Unknown role.');
  expect(errorAt(problem, 'email')).toBeNull();
  expect(errorAt(null, 'email')).toBeNull();
  const field = String(
    formField({ name: 'email', label: 'E-mail', hint: 'Hint.', error: 'Wrong.' }),
  );
  expect(field).toContain('<label for="email">');
  expect(field).toContain('aria-describedby="email-hint email-error"');
  expect(field).toContain('aria-invalid="true"');
  expect(field).toContain('id="email-error">Wrong.');
});

test('a receipt is followed while it is open, with a link for those without JavaScript', () => {
  const path = `/console/registrations/${EXAMPLE_RECEIPT.id}`;
  const open = String(liveReceipt({ ...EXAMPLE_RECEIPT, status: 'running' }));
  expect(open).toContain(`data-stream="${path}/stream"`);
  expect(open).toContain(`<a class="button plain" href="${path}">Refresh</a>`);
  const closed = String(liveReceipt(EXAMPLE_RECEIPT));
  expect(closed).not.toContain('data-stream');
  expect(closed).not.toContain('Refresh');
});

test('the receipt of an erased person does not say that the user is there', () => {
  const erased = String(liveReceipt({ ...EXAMPLE_RECEIPT, status: 'completed', email: null }));
  expect(erased).toContain('The person was deleted since');
  expect(erased).not.toContain('The user and all roles are there.');
});

test('what prevents the undo is named once, as the picture names it', () => {
  const code = 'identity_provider_unavailable' as const;
  const html = String(
    liveReceipt({
      ...EXAMPLE_RECEIPT,
      status: 'cleanup_required',
      failure: { code: 'registration_failed', cause: 'role_missing', detail: 'Failed.' },
      compensationFailures: [{ step: 'deleteUser', code, detail: 'Cognito is away.' }],
      steps: [
        ...EXAMPLE_RECEIPT.steps,
        ...EXAMPLE_RECEIPT.steps.slice(0, 1).map((step) => ({
          ...step,
          name: 'deleteUser',
          status: 'retrying' as const,
          attempts: 3,
          lastError: code,
        })),
      ],
    }),
  );
  expect(html).toContain('<strong>Delete user</strong>: failing, 3 attempts. ');
  expect(html.split(`href="/problems/${code}"`)).toHaveLength(2);
});
