// Reads executions back from the stream, and verifies every run in them.
import { createHash } from 'node:crypto';
import { connectNats, readAudit } from '@spanledger/jetstream';
import { timeline, verify } from '@spanledger/ledger';

const STREAM = 'AUDIT_EVENTS';
const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

/** @returns what the ledger says of the executions that `answers` name. */
export async function readBack(natsUrl, answers) {
  const connection = await connectNats({ servers: natsUrl });
  try {
    const executions = [];
    for (const answer of answers) executions.push(await readExecution(connection, answer));
    return {
      stream: STREAM,
      natsVersion: connection.info.version,
      executions,
      verified: executions.every(({ report }) => report.verified && report.openRuns === 0 && report.events > 0),
    };
  } finally {
    await connection.close();
  }
}

async function readExecution(connection, { executionId, traceId }) {
  const records = [];
  for await (const record of readAudit(connection, { execution: executionId, stream: STREAM })) records.push(record);
  return { executionId, traceId, report: await verify(records, { sha256 }), timeline: await timeline(records) };
}
