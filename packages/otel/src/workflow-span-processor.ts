import type { Context, Span } from '@opentelemetry/api';
import { RUN_ID_ATTRIBUTE, WORKFLOW_FIELDS } from '@spanledger/protocol';
import { logger } from './diagnostics.ts';
import { linkSpan } from './link-span.ts';
import { markProbe } from './pipeline-probe.ts';

/**
 * Stamps workflow identity and the run id on every span that starts, of whatever library, and links the span to its run.
 * Register it before the processors that export.
 *
 * It has the shape of the SDK's `SpanProcessor`, 2.x and 3.x, and depends on neither.
 */
export class WorkflowSpanProcessor {
  onStart(span: Span, parentContext: Context): void {
    try {
      if (markProbe(parentContext, 'spanProcessor')) return;
      const { run, workflow } = linkSpan(span, parentContext);
      for (const { key, attribute } of WORKFLOW_FIELDS) {
        const value = workflow[key];
        if (value !== undefined) span.setAttribute(attribute, value);
      }
      if (run.origin !== 'instance') span.setAttribute(RUN_ID_ATTRIBUTE, run.id);
    } catch (error) {
      // I5: under HTTP instrumentation a throw from here would end the process.
      logger.error('a span was not stamped:', error);
    }
  }

  onEnd(): void {}

  async forceFlush(): Promise<void> {}

  async shutdown(): Promise<void> {}
}
