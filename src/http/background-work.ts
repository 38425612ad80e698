import type { Log } from './app-deps.ts';

export interface BackgroundWork {
  readonly start: (work: () => Promise<unknown>) => void;
  /** Waits for all work that was started. */
  end(): Promise<void>;
}

/** Work that goes on after its response. An error is logged by its name: its message may hold what a
 * caller sent. */
export function createBackgroundWork(log: Pick<Log, 'warn'>): BackgroundWork {
  const running = new Set<Promise<void>>();
  return {
    start: (work) => {
      const done = (async () => {
        try {
          await work();
        } catch (error) {
          log.warn(
            { error: error instanceof Error ? error.name : 'unknown' },
            'work after a response failed',
          );
        }
      })();
      running.add(done);
      void done.then(() => running.delete(done));
    },
    end: async () => {
      while (running.size > 0) await Promise.all(running);
    },
  };
}
