/** Undo steps, registered before the step they undo and run newest first. A failed undo is thrown, never swallowed. */
export type UndoStack = {
  push(undo: () => Promise<void>): void;
  run(): Promise<void>;
};

export function createUndoStack(): UndoStack {
  const steps: (() => Promise<void>)[] = [];
  return {
    push: (undo) => {
      steps.push(undo);
    },
    run: async () => {
      // A step leaves the stack only once it has succeeded, so that a second run goes on where the first one failed.
      for (let undo = steps.at(-1); undo !== undefined; undo = steps.at(-1)) {
        await undo();
        steps.pop();
      }
    },
  };
}
