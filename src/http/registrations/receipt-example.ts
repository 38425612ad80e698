import type { Receipt } from './schemas.ts';

const ID = '0198c2f4-6f0e-7a53-9a51-2f6f3f0d9b11';
const done = { status: 'done', attempts: 1, lastError: null, nextRetryAt: null } as const;

/** A completed registration, for the document. */
export const EXAMPLE_RECEIPT: Receipt = {
  id: ID,
  status: 'completed',
  email: 'ada@example.com',
  emailVerified: true,
  username: null,
  firstName: 'Ada',
  lastName: null,
  roles: ['viewer'],
  userId: '5d1f0a52-3b8e-4c0c-8a43-0b6f5d3f7a10',
  profileId: null,
  invitation: { status: 'none', sentAt: null, expiresAt: null, failure: null },
  requestedBy: 'client:back-office',
  door: 'canonical',
  acceptedAt: '2026-01-31T09:30:00.000Z',
  finishedAt: '2026-01-31T09:30:01.250Z',
  failure: null,
  resumesAt: null,
  compensationFailures: [],
  steps: [
    { name: 'createUser', ...done },
    { name: 'assignRole:viewer', ...done },
    { name: 'complete', ...done },
  ],
  timeline: [
    {
      event: 'registration.requested',
      at: '2026-01-31T09:30:00.000Z',
      actor: 'client:back-office',
      details: {},
    },
  ],
  workflow: {
    id: `register-user/${ID}`,
    runId: '0198c2f4-7001-7b1e-8a0d-c3d9b8f1a2e4',
    url: null,
  },
};
