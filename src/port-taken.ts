/** The API cannot listen: another process holds the port. The message names both. */
export class PortTaken extends Error {
  override readonly name = 'PortTaken';
}
