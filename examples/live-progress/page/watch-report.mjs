/** Has a report written, and shows how far it is. Of the page, and of the demo without one. */
export function watchReport(url, show) {
  const task = crypto.randomUUID();
  const source = new EventSource(`${url}/events/${task}`);
  const on = (name, listener) => source.addEventListener(name, listener);

  // Listen first, start then: what happened before is not sent.
  source.addEventListener('open', () => fetch(`${url}/reports/${task}`, { method: 'POST' }), { once: true });
  on('report_step', ({ data }) => {
    const { step, done, of } = JSON.parse(data).fields;
    show(`${'#'.repeat(done).padEnd(of, '.')} ${step}`);
  });
  on('lagged', ({ data }) => show(`missed ${JSON.parse(data).dropped ?? 'some'}`));
  return new Promise((resolve) => {
    const end = (how) => {
      source.close();
      show(how);
      resolve(how);
    };
    on('report_finished', ({ type }) => end(type));
    on('report_failed', ({ type }) => end(type));
    // `EventSource` comes back by itself, and says in `Last-Event-ID` what it has had; unless it was refused.
    on('error', () => (source.readyState === EventSource.CLOSED ? end('refused') : show('cut off')));
  });
}
