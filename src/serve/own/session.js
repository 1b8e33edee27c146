// Tells the page when its session is about to end, and keeps it alive while somebody is at work.
//
//   <script src="/.auth/session.js" data-warn="120" data-keep-alive defer></script>
//
// Events of `document`: "sidegate:expiring" with detail.seconds, data-warn seconds before the end; "sidegate:expired".
// Functions: sidegate.renew(), sidegate.session(): promises of what the session endpoint says.
(function () {
  'use strict';
  var me = document.currentScript, base = new URL(me.src).pathname.replace(/\.js$/, '');
  var warn = Number(me.dataset.warn) || 120, keep = 'keepAlive' in me.dataset, active = false, warned = false, timer;
  function tell(name, detail) { document.dispatchEvent(new CustomEvent('sidegate:' + name, { detail: detail })); }
  function ask(path, method) {
    return fetch(base + path, { method: method, credentials: 'same-origin', headers: { Accept: 'application/json' } })
      .then(function (answer) { if (answer.status >= 500) throw new Error('HTTP ' + answer.status); return answer.json(); });
  }
  function plan(session) {
    clearTimeout(timer);
    if (!session.authenticated) { tell('expired', session); return session; }
    var left = session.expires_in;
    if (left <= warn) {
      if (keep && active) { active = false; renew(); return session; }
      if (!warned) { warned = true; tell('expiring', { seconds: left, session: session }); }
    } else { warned = false; }
    timer = setTimeout(look, 1000 * Math.max(1, Math.min(300, left > warn ? left - warn : left + 1)));
    return session;
  }
  function look() { return ask('', 'GET').then(plan, function () { timer = setTimeout(look, 30000); }); }
  function renew() { return ask('/renew', 'POST').then(plan); }
  ['keydown', 'pointerdown'].forEach(function (kind) { addEventListener(kind, function () { active = true; }, { passive: true }); });
  window.sidegate = { renew: renew, session: function () { return ask('', 'GET'); } };
  look();
})();
