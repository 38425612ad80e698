/** A process cannot listen: another one holds the port. The message names variable and address. */
export class PortTaken extends Error {
  override readonly name = 'PortTaken';
}

/** An error for a process that cannot listen; names the variable that has to change. */
export function cannotListen(
  variable: 'PORT' | 'METRICS_PORT' | 'WORKER_PORT',
  { host, port }: { readonly host: string; readonly port: number },
  code: string,
): Error {
  if (code === 'EADDRINUSE') {
    return new PortTaken(`${variable}: ${host}:${port} is taken by another process`);
  }
  const name = code === 'EACCES' ? variable : 'HOST';
  return new Error(`${name}: cannot listen on ${host}:${port} (${code})`);
}
