import { EventEmitter } from 'node:events';

/** Tells waiters in this process that a row has changed; other processes' changes are polled for. */
export class RowChanges {
  readonly #emitter = new EventEmitter().setMaxListeners(0);

  changed(registrationId: string): void {
    this.#emitter.emit(registrationId);
  }

  /** @returns what ends the listening */
  onChange(registrationId: string, listener: () => void): () => void {
    this.#emitter.on(registrationId, listener);
    return () => this.#emitter.off(registrationId, listener);
  }
}
