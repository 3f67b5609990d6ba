import { expect, it } from 'vitest';
import { parseAckSubject } from '../src/ack-subject.ts';

const INFO = { streamSeq: 7, consumerSeq: 3, storedAtMs: 1_700_000_000_123, pending: 42 };
const REST = '1.7.3.1700000000123456789.42';

it.each([
  ['as it is', `$JS.ACK.AUDIT_EVENTS.consumer.${REST}`],
  ['with a domain and an account', `$JS.ACK.hub.ACCOUNT.AUDIT_EVENTS.consumer.${REST}`],
  ['with something after the end', `$JS.ACK._.ACCOUNT.AUDIT_EVENTS.consumer.${REST}.x7Yz`],
])('reads a delivery %s', (_, subject) => {
  expect(parseAckSubject(subject)).toEqual(INFO);
});

it.each([
  '',
  '$JS.ACK.AUDIT_EVENTS.consumer.1.7.3.42',
  `$JS.ACK.ACCOUNT.AUDIT_EVENTS.consumer.${REST}`,
  '$JS.API.AUDIT_EVENTS.consumer.1.7.3.4.5',
  `_INBOX.a.b.c.${REST}`,
])('takes %j for no delivery', (subject) => {
  expect(parseAckSubject(subject)).toBeUndefined();
});
