/** A process cannot listen: another one holds the port. The message names variable and address. */
export class PortTaken extends Error {
  override readonly name = 'PortTaken';
}
