import { describe, expect, it } from 'vitest';
import { parseNatsServers } from '../src/nats-servers.ts';

describe('parseNatsServers', () => {
  it.each([
    [['nats://a:4222'], { servers: ['a:4222'] }],
    [['a', 'tls://b:1'], { servers: ['a', 'b:1'], tls: {} }],
    [['[::1]:4222'], { servers: ['[::1]:4222'] }],
    [['nats://joe:s3%40cret@a:4222', 'b'], { servers: ['a:4222', 'b'], user: 'joe', pass: 's3@cret' }],
    [['nats://t0ken@a'], { servers: ['a'], token: 't0ken' }],
  ])('reads %j', (given, expected) => {
    expect(parseNatsServers(given, 'nats.servers')).toEqual(expected);
  });

  it.each(['', 'http://a', 'nats://', 'nats://a:port', 'nats://%zz@a'])(
    'refuses %j by the name of its source',
    (server) => {
      expect(() => parseNatsServers([server], 'SPANLEDGER_NATS_URL')).toThrow(/^SPANLEDGER_NATS_URL must be/);
    },
  );

  it('never shows a password', () => {
    const message = /^x must be nats:\/\/host:port, one or several$/;
    expect(() => parseNatsServers(['http://joe:s3cret@a'], 'x')).toThrow(message);
  });
});
