import { setRunLifecycle, watchAnsweredRuns } from '@spanledger/otel/internal';
import { SpanledgerError } from '@spanledger/protocol';
import type { AuditPipeline } from '../audit-pipeline.ts';
import { noteAnswer } from '../workflow/live-activities.ts';

interface Registry {
  pipeline: AuditPipeline | undefined;
  warned: boolean;
}

const KEY = Symbol.for('@spanledger/audit/registry@1');

// Global, so that every loaded copy of this package finds the one pipeline of the process.
function registry(): Registry {
  const holder = globalThis as { [KEY]?: Registry };
  return (holder[KEY] ??= { pipeline: undefined, warned: false });
}

/**
 * Makes this the pipeline of the process: `audit.emit`, `workflow.run` and the lifecycle of runs go to it.
 *
 * @returns the function that takes it away again, for whoever shuts it down.
 * @throws SpanledgerError `SPANLEDGER_STARTED` if there is one already
 */
export function registerPipeline(pipeline: AuditPipeline): () => void {
  const state = registry();
  if (state.pipeline !== undefined) {
    throw new SpanledgerError('SPANLEDGER_STARTED', 'this process has an audit pipeline already: shut it down first');
  }
  state.pipeline = pipeline;
  setRunLifecycle({
    started: (scope) => pipeline.brackets.begin(scope),
    ended: (scope, outcome) => pipeline.brackets.end(scope, outcome),
  });
  const unwatchAnswers = watchAnsweredRuns(noteAnswer);
  return () => {
    if (state.pipeline !== pipeline) return;
    state.pipeline = undefined;
    unwatchAnswers();
    setRunLifecycle(undefined);
  };
}

/** The pipeline of this process, if one is registered. */
export function getPipeline(): AuditPipeline | undefined {
  return registry().pipeline;
}

/**
 * The same, for those who have something to record: says once that it is not recorded. As a warning of the process, because
 * what would have set a `diag` logger is what is missing.
 */
export function pipelineOrWarn(): AuditPipeline | undefined {
  const state = registry();
  if (state.pipeline === undefined && !state.warned) {
    state.warned = true;
    process.emitWarning('nothing is recorded, because Spanledger is not started in this process', {
      code: 'SPANLEDGER_NOT_STARTED',
      detail: 'Start it before the application: node --import @spanledger/node/register app.js',
    });
  }
  return state.pipeline;
}
