import { describe, expect, it } from 'vitest';
import { hostOfUrl, matchHosts } from '../src/allowed-hosts.ts';
import { WorkflowPropagator } from '../src/index.ts';

const allows = matchHosts(['orchestrator.svc', '*.Agents.Internal', '127.0.0.1', '[::1]', 'bücher.svc']);
const allowed = (url: string) => {
  const host = hostOfUrl(url);
  return host !== undefined && allows(host);
};

describe('allowed hosts', () => {
  it.each([
    'http://orchestrator.svc/',
    'https://ORCHESTRATOR.SVC:8443/path?q#f',
    'http://user:password@orchestrator.svc/',
    'http://a.agents.internal/',
    'http://a.b.agents.internal:1/',
    'http://127.0.0.1:8080/',
    'http://2130706433/', // the same address
    'http://[::1]:8080/',
    'http://[0:0:0:0:0:0:0:1]/',
    'http://xn--bcher-kva.svc/',
    'http://bücher.svc/',
    'nats://a.agents.internal:4222',
    'http://evil.example:80@orchestrator.svc/',
  ])('%s', (url) => expect(allowed(url)).toBe(true));

  it.each([
    'http://agents.internal/', // the apex
    'http://.agents.internal/',
    'http://evilagents.internal/',
    'http://agents.internal.evil.example/',
    'http://a.agents.internal.evil.example/',
    'http://orchestrator.svc.evil.example/',
    'http://a.orchestrator.svc/',
    'http://orchestrator.svc@evil.example/',
    'http://orchestrator.svc:80@evil.example/',
    'http://evil.example/orchestrator.svc',
    'http://evil.example?orchestrator.svc',
    'http://evil.example#orchestrator.svc',
    'http://evil.example\\@orchestrator.svc/',
    'http://orchestrator.svc./', // another name: it is looked up at the root
    'http://orchestratоr.svc/', // a Cyrillic letter
    'http://[::2]/',
    'http://127.0.0.2/',
    'orchestrator.svc',
    '/path',
    '',
    'data:text/plain,orchestrator.svc',
  ])('not %s', (url) => expect(allowed(url)).toBe(false));

  it.each([
    '*',
    '*.',
    '',
    '*.*.svc',
    'a.*.svc',
    'a*.svc',
    'http://a.svc',
    'a.svc:80',
    'a.svc/',
    'a@b.svc',
    ' ',
    'a b',
    '[::1]:80',
    '*.0.0.1',
    '*.[::1]',
    '[::1',
  ])('refuses the pattern %j', (pattern) => {
    const construct = () => new WorkflowPropagator({ outbound: { allowedHosts: [pattern] } });
    expect(construct).toThrow(expect.objectContaining({ code: 'SPANLEDGER_OPTION' }));
  });
});
