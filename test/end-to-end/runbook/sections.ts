/** The symptoms of docs/runbook.md by the test file that makes them: each has a deployment of its own. */
export const REGISTRATIONS = [
  'Get a token',
  'Triage',
  'Users report no access',
  'Address already taken',
  'Cleanup required',
  'Signed up but no account',
  'Registrations fail',
  'Cognito throttles',
  'Registrations wait for the quota',
];
export const PEOPLE = [
  'A change is parked',
  'The last administrator',
  'Events are late',
  'Invitations are late',
  'A forgotten password brings no mail',
];
export const RUNS = [
  'A run was terminated',
  'A run was reset',
  'A change does not end',
  'Accepted but not starting',
];
export const DEPENDENCIES = [
  'Profile service away',
  'Ledger and pool differ',
  'The audit trail may have been changed',
  'The API answers 5xx',
];
