import type { WorkflowHandle } from '@temporalio/client';
import type { DonationStage } from '../workflow/donation-stage.ts';

/** One way through a workflow, kept as `workflows/histories/<workflow>/<name>.json`. */
export type Path = {
  /** Lines of its story (`story.ts`), in this order, others between them: a history without them took another way. */
  readonly shows: readonly string[];
  /** Makes it happen; the handle is of the run whose history is kept, once it has ended. */
  readonly record: (stage: DonationStage) => Promise<WorkflowHandle>;
};

export type Paths = Readonly<Record<string, Path>>;
