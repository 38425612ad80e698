/** Where events go. */
export const EVENT_DESTINATIONS = ['amqp', 'webhook'] as const;
export type EventDestination = (typeof EVENT_DESTINATIONS)[number];

/** What was promised about an account: a mail for a forgotten password; the end of all sessions after a
 * reset that may happen (`sign_out`), or that did (`password_reset`), or after a change of the password
 * that may happen (`password_change`). */
export type AccountDelivery =
  | 'password_recovery'
  | 'sign_out'
  | 'password_reset'
  | 'password_change';

/** Calls to Cognito that are deliveries of the outbox: invitations, and what was promised about accounts. */
export const COGNITO_DESTINATIONS = [
  'cognito-mail',
  'cognito-recovery',
  'cognito-sign-out',
] as const;
export type CognitoDestination = (typeof COGNITO_DESTINATIONS)[number];

export type OutboxDestination = EventDestination | CognitoDestination;
export const OUTBOX_DESTINATIONS: readonly OutboxDestination[] = [
  ...EVENT_DESTINATIONS,
  ...COGNITO_DESTINATIONS,
];
