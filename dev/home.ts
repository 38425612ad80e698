/** File in the home that tells `npm run token` what runs; there only while it runs. */
export const STACK_FILE = 'stack.json';

/** Folder of the embedded state that the environment names. */
export function homeOf(env: Readonly<Record<string, string | undefined>>): string {
  return env['REGISTRAR_HOME'] || '.registrar';
}
