// Keeps the page up to date. It is told by server-sent events when something has
// changed, fetches the page again, and puts in what is different: rows that stay the
// same stay, with the focus and the selection in them.
'use strict';
(() => {
  let offset = Number(document.body.dataset.now) - Date.now(); // the store's clock minus this one
  let version = document.body.dataset.version;
  let seen = Date.now(); // when the server last saw the store
  let away = false;
  let source = null;
  let fetching = false;
  let again = false;

  const words = (ms) => {
    const s = Math.max(0, Math.round(ms / 1000));
    const two = (n) => String(n).padStart(2, '0');
    if (s < 60) return s + 's';
    if (s < 3600) return Math.floor(s / 60) + 'm' + two(s % 60) + 's';
    const m = Math.round(s / 60);
    if (m < 2880) return Math.floor(m / 60) + 'h' + two(m % 60) + 'm';
    return Math.floor(m / 1440) + ' days';
  };

  // tick lets ages grow without a message from the server.
  const tick = () => {
    const now = Date.now() + offset;
    for (const e of document.querySelectorAll('time.age')) {
      const d = Date.parse(e.dateTime) - now;
      const later = e.textContent.startsWith('in ') || e.textContent === 'any moment';
      const text = !later ? words(-d) : d < 500 ? 'any moment' : 'in ' + words(d);
      if (e.textContent !== text) e.textContent = text;
    }
    const asOf = document.getElementById('asof');
    if (asOf) {
      const text = words(Date.now() - seen) + ' ago';
      if (asOf.textContent !== text) asOf.textContent = text;
    }
  };

  // plain is an element without what changes by itself.
  const plain = (e) => {
    const c = e.cloneNode(true);
    for (const t of c.querySelectorAll('time.age, #asof')) t.textContent = '';
    return c.outerHTML;
  };

  const swap = (old, fresh) => {
    if (plain(old) === plain(fresh)) return;
    // Nobody likes a form that changes below the fingers.
    if (old.classList.contains('forms') && (old.contains(document.activeElement) || [...old.querySelectorAll('input')].some((i) => i.value !== i.defaultValue || i.checked !== i.defaultChecked))) return;
    const body = old.tagName === 'TABLE' ? old.tBodies[0] : null;
    if (!body) {
      const focus = old.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
      const status = old.querySelector('[role=status]');
      const next = fresh.querySelector('[role=status]');
      const node = document.importNode(fresh, true);
      if (status && next) {
        // A live region speaks when its text changes, not when it is a new one.
        if (status.textContent !== next.textContent) status.textContent = next.textContent;
        node.querySelector('[role=status]').replaceWith(status);
      }
      old.replaceWith(node);
      if (focus) for (const a of node.querySelectorAll('a')) if (a.getAttribute('href') === focus) { a.focus(); break; }
      return;
    }
    const caption = fresh.caption.textContent;
    if (old.caption.textContent !== caption) old.caption.textContent = caption;
    const rows = new Map();
    for (const r of body.rows) rows.set(r.dataset.k, r);
    const active = document.activeElement;
    const focus = body.contains(active) ? [active.closest('tr').dataset.k, active.getAttribute('href')] : null;
    let at = body.firstElementChild;
    for (const r of fresh.tBodies[0].rows) {
      let row = rows.get(r.dataset.k);
      rows.delete(r.dataset.k);
      if (row && plain(row) !== plain(r)) {
        const node = document.importNode(r, true);
        if (row === at) at = node;
        row.replaceWith(node);
        row = node;
      } else if (!row) {
        row = document.importNode(r, true);
      }
      if (row === at) at = at.nextElementSibling;
      else body.insertBefore(row, at);
    }
    for (const r of rows.values()) r.remove();
    if (focus && document.activeElement === document.body) {
      for (const r of body.rows) {
        if (r.dataset.k !== focus[0]) continue;
        const links = [...r.querySelectorAll('a')];
        (links.find((a) => a.getAttribute('href') === focus[1]) || links[0])?.focus({preventScroll: true});
      }
    }
  };

  const refresh = async () => {
    if (fetching) { again = true; return; }
    fetching = true;
    try {
      const answer = await fetch(location.href, {cache: 'no-store', credentials: 'same-origin', redirect: 'error'});
      if (!answer.ok) return;
      const fresh = new DOMParser().parseFromString(await answer.text(), 'text/html');
      if (!fresh.body.dataset.version) return;
      version = fresh.body.dataset.version;
      document.body.dataset.version = version;
      offset = Number(fresh.body.dataset.now) - Date.now();
      for (const e of document.querySelectorAll('[data-live]')) {
        const other = fresh.getElementById(e.id);
        if (other) swap(e, other);
      }
      tick();
    } catch {
      again = false; // the stream tells when the server is back
    } finally {
      fetching = false;
      if (again) { again = false; refresh(); }
    }
  };

  const lost = () => {
    if (away) return;
    away = true;
    const p = document.createElement('p');
    p.className = 'trouble';
    p.id = 'lost';
    p.setAttribute('role', 'alert');
    p.textContent = 'The server of this page does not answer. What stands here is from before.';
    document.querySelector('header').append(p);
  };

  const open = () => {
    if (source) return;
    source = new EventSource('events');
    source.addEventListener('look', (e) => {
      away = false;
      document.getElementById('lost')?.remove();
      const [number, age] = e.data.split(' ');
      seen = Date.now() - Number(age);
      if (number !== version) refresh();
      else tick();
    });
    source.onerror = () => {
      // A browser that was refused does not try again by itself.
      if (source && source.readyState === EventSource.CLOSED) {
        source = null;
        setTimeout(() => { if (!document.hidden) open(); }, 10000);
      }
      lost();
    };
  };

  // A tab that nobody sees costs nothing: browsers allow six streams to a server.
  document.addEventListener('visibilitychange', () => {
    if (!document.hidden) { open(); return; }
    source?.close();
    source = null;
  });
  window.addEventListener('pagehide', () => { source?.close(); source = null; });
  window.addEventListener('pageshow', () => { if (!document.hidden) open(); });
  setInterval(tick, 1000);
  if (!document.hidden) open();
})();
