/** Where events go. */
export type EventDestination = 'amqp' | 'webhook';

/** What was promised about an account: a mail for a forgotten password, and the end of all sessions
 * after a reset. */
export type AccountDelivery = 'password_recovery' | 'sign_out';

/** Calls to Cognito that are deliveries of the outbox: invitations, and what was promised about accounts. */
export const COGNITO_DESTINATIONS = [
  'cognito-mail',
  'cognito-recovery',
  'cognito-sign-out',
] as const;
export type CognitoDestination = (typeof COGNITO_DESTINATIONS)[number];

export type OutboxDestination = EventDestination | CognitoDestination;
export const OUTBOX_DESTINATIONS: readonly OutboxDestination[] = [
  'amqp',
  'webhook',
  ...COGNITO_DESTINATIONS,
];
