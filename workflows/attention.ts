import { upsertSearchAttributes } from '@temporalio/workflow';

/** Marks this workflow for operators: it can neither finish nor undo by itself. */
export function askForAttention(): void {
  upsertSearchAttributes([{ key: { name: 'NeedsAttention', type: 'BOOL' }, value: true }]);
}
