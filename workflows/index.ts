// The bundler's entry: a worker knows its workflows by these names.
export { registerUser } from './register-user.ts';
export { changeUser } from './change-user.ts';
export {
  comparePool,
  relayEvents,
  resumeStuckRegistrations,
  sweepRegistrations,
} from './background.ts';
