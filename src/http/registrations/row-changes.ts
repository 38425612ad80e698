import { EventEmitter } from 'node:events';

/** Tells waiters in this process that a row has changed. For changes by other processes they poll. */
export class RowChanges {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  changed(registrationId: string): void {
    this.#emitter.emit(registrationId);
  }

  /** @returns a function that ends the subscription */
  onChange(registrationId: string, listener: () => void): () => void {
    this.#emitter.on(registrationId, listener);
    return () => this.#emitter.off(registrationId, listener);
  }
}
