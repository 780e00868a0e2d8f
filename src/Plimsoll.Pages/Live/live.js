'use strict';
// Whatever comes from a fleet is put in as text, or is a plot whose words the server has escaped.
const $ = id => document.getElementById(id);
const ask = { q: '', sort: 'activity', page: 0, model: '' };
let source = null, state = null, received = 0, behind = 0, retry = 0;

const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB', 'PiB'];
function bytes(n) {
  let unit = 0;
  while (n >= 1000 && unit < units.length - 1) { n /= 1024; unit++; }
  return (unit === 0 ? String(n) : n >= 100 ? n.toFixed(0) : n >= 10 ? n.toFixed(1) : n.toFixed(2)) + ' ' + units[unit];
}
function rate(n) {
  return n === undefined ? '?' : (n >= 99.95 ? count(Math.round(n)) : n >= 1 ? n.toFixed(1) : String(+n.toFixed(2))) + '/s';
}
const count = n => n.toLocaleString('en');
// Of another day than today's with that day, or what is days old looks like now.
function clock(at) {
  const moment = new Date(at), time = moment.toLocaleTimeString('en-GB');
  return moment.toDateString() === today() ? time : moment.toLocaleDateString('en-GB', { day: 'numeric', month: 'short' }) + ', ' + time;
}
const today = () => new Date().toDateString();
function span(seconds) {
  return seconds < 60 ? Math.round(seconds) + ' s' : seconds < 3600 ? Math.round(seconds / 60) + ' min'
    : seconds < 172800 ? Math.round(seconds / 3600) + ' h' : Math.round(seconds / 86400) + ' d';
}

function el(name, text, kind) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  if (kind) made.className = kind;
  return made;
}
// Only what has changed is touched, so that a selection or a reader's place is not lost at each tick.
function say(element, text) { if (element.textContent !== text) element.textContent = text; }
function fill(parent, key, make) {
  if (Object.hasOwn(parent, 'shown') && parent.shown === key) return;
  parent.shown = key;
  parent.replaceChildren(...make());
}
// Children by key: kept where they are there, and so is the focus, which one that is moved would lose.
function keep(parent, items, keyOf, make, update) {
  const old = parent.kept || new Map(), now = new Map(), focused = document.activeElement;
  for (const item of items) {
    const key = keyOf(item);
    if (now.has(key)) continue;
    const child = old.get(key) || make(item);
    now.set(key, child);
    update(child, item);
  }
  for (const [key, child] of old) if (!now.has(key)) child.remove();
  let before = parent.firstElementChild;
  for (const child of now.values()) {
    if (child === before) before = before.nextElementSibling;
    else parent.insertBefore(child, before);
  }
  parent.kept = now;
  if (focused !== document.activeElement && parent.contains(focused)) focused.focus({ preventScroll: true });
}
function plot(markup) {
  const parsed = new DOMParser().parseFromString(markup.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" '), 'image/svg+xml').documentElement;
  return parsed.localName === 'svg' ? document.importNode(parsed, true) : el('span');
}

function address(path) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(ask)) if (value) query.set(name, value);
  return path + (query.size ? '?' + query : '');
}
function listen() {
  clearTimeout(retry);
  if (source) source.close();
  source = new EventSource(address(document.body.dataset.events));
  source.onmessage = event => {
    state = JSON.parse(event.data);
    received = performance.now();
    if (behind) say($('link'), 'connected again');
    behind = 0;
    document.body.classList.remove('lost');
    show();
  };
  source.onerror = () => {
    // The line beside the name changes with every tick, which would interrupt a reader each time: told is what was lost and found.
    say($('link'), 'no connection');
    behind = behind || performance.now();
    document.body.classList.add('lost');
    // Refused for good, as when too many look on: the browser does not try again by itself.
    if (source.readyState === EventSource.CLOSED) { clearTimeout(retry); retry = setTimeout(listen, 5000); }
    when();
  };
}

function when() {
  let text = 'connecting';
  if (behind) text = state ? 'no connection; what is shown is of ' + clock(state.now) : 'no connection; trying again';
  else if (state) {
    const age = state.at ? (Date.parse(state.now) - Date.parse(state.at) + performance.now() - received) / 1000 : 0;
    text = state.at ? state.mode + ', ' + (age < 2.5 ? 'as of now' : 'as of ' + span(age) + ' ago') + ' (tick ' + count(state.tick) + ')' : 'nothing was seen yet';
  }
  say($('when'), text);
}

function show() {
  say($('fleet'), state.fleet);
  document.title = state.fleet + ': plimsoll';
  $('trouble').hidden = !state.trouble;
  say($('trouble'), state.trouble || '');
  $('seen').hidden = state.tick === undefined;
  when();
  if (state.tick === undefined) return;
  totals(state.totals);
  keep($('memory'), state.memory, kind => kind.kind, bar, drawBar);
  $('by-node').hidden = state.nodeCount < 2;
  if (state.nodeCount > 1) nodes();
  // Of an open model the plot is beside its facts; this one would stand still.
  $('time').hidden = !!state.detail;
  if (!state.detail) fill($('plot'), state.plot, () => [state.plot ? plot(state.plot) : el('p', 'A moment, until there is something to draw.', 'soft')]);
  models();
  const of = state.detail ? ' of ' + state.detail.model.model : '';
  say($('h-done'), 'Decisions' + of);
  fill($('done'), today() + JSON.stringify(state.decisions), () => state.decisions.map(decision));
  $('none').hidden = state.decisions.length > 0;
  say($('none'), of ? 'Nothing was decided of it lately.' : 'Nothing was decided yet.');
}

function totals(t) {
  const facts = [
    [count(t.models), t.models === 1 ? 'model' : 'models'], [count(t.serving), 'serving'], [count(t.loading), 'loading'], [count(t.wanting), 'short of replicas'],
    [count(t.heldNow), 'requests waiting'], [bytes(t.weightBytes), 'of weights'], [rate(t.demandPerSecond), 'demand'], [rate(t.forecastPerSecond), 'planned for']];
  if (t.refused) facts.push([count(t.refused), 'refused']);
  keep($('totals'), facts, fact => fact[1], fact => { const li = el('li', undefined); li.append(el('b'), fact[1]); return li; },
    (li, fact) => say(li.firstChild, fact[0]));
}

function bar(kind) {
  const made = el('div', undefined, 'bar');
  made.append(el('span'), el('div', undefined, 'stack'), el('span', undefined, 'cost'));
  made.children[1].setAttribute('role', 'img');
  return made;
}
function drawBar(made, kind) {
  const most = Math.max(kind.budgetBytes, kind.usedBytes, 1);
  const share = kind.budgetBytes ? Math.round(100 * kind.usedBytes / kind.budgetBytes) : 0;
  const text = bytes(kind.usedBytes) + ' of ' + bytes(kind.budgetBytes) + ' (' + share + '%)'
    + (kind.charged ? ', ' + count(kind.charged) + ' not measured' : '')
    + (kind.foreignBytes ? '; others hold ' + bytes(kind.foreignBytes) : '');
  say(made.children[0], kind.kind + (kind.count > 1 ? ' × ' + count(kind.count) : ''));
  say(made.children[2], text);
  made.children[1].setAttribute('aria-label', kind.kind + ': ' + text);
  fill(made.children[1], JSON.stringify(kind.parts) + most, () => kind.parts.filter(part => part.bytes / most > 0.002).map((part, i) => {
    const piece = el('span', part.bytes / most > 0.14 ? part.name : '', 's' + i % 4 + (part.bytes / most > 0.14 ? ' l' : ''));
    piece.style.width = 100 * part.bytes / most + '%';
    piece.title = part.name + ': ' + bytes(part.bytes);
    return piece;
  }));
}
function nodes() {
  say($('by-node').firstElementChild, state.nodeCount > state.nodes.length
    ? 'The ' + state.nodes.length + ' fullest of ' + count(state.nodeCount) + ' nodes' : 'By node');
  if (!$('by-node').open) return;
  keep($('nodes'), state.nodes, node => node.node, () => { const made = el('div', undefined, 'node'); made.append(el('b'), ' ', el('span', undefined, 'soft'), el('div')); return made; },
    (made, node) => {
      say(made.children[0], node.node);
      say(made.children[1], node.condition === 'ready' ? '' : node.condition);
      keep(made.children[2], node.memory, kind => kind.kind, bar, drawBar);
    });
}

function replicas(m) {
  return m.ready + (m.loading ? ' +' + m.loading + ' loading' : '') + (m.ending ? ' −' + m.ending + ' ending' : '') + (m.asleep ? ', ' + m.asleep + ' asleep' : '')
    + (m.wanted !== m.ready ? ', ' + m.wanted + ' wanted' : '');
}
function models() {
  const page = state.models, size = 50;
  say($('page'), page.matching === 0 ? 'none' : count(page.from + 1) + '–' + count(page.from + page.rows.length) + ' of ' + count(page.matching));
  $('back').disabled = page.from === 0;
  $('on').disabled = page.from + page.rows.length >= page.matching;
  ask.page = page.from / size;
  const rows = [];
  for (const m of page.rows) {
    rows.push({ m });
    if (state.detail && state.detail.model.model === m.model) rows.push({ m, detail: state.detail });
  }
  // One that the search or the page leaves out stays open, on top.
  if (state.detail && !rows.some(row => row.detail)) rows.unshift({ m: state.detail.model }, { m: state.detail.model, detail: state.detail });
  keep($('rows'), rows, row => (row.detail ? 'd ' : 'm ') + row.m.model, row => row.detail ? more() : line(row.m), (made, row) => row.detail ? drawMore(made, row.detail) : drawLine(made, row.m));
}
function line(m) {
  const made = el('tr'), name = el('button', m.model);
  name.type = 'button';
  name.addEventListener('click', () => choose(ask.model === m.model ? '' : m.model));
  const first = el('td');
  first.append(name);
  made.append(first);
  for (const label of ['weight', 'tier', 'replicas', 'demand', 'planned for', 'memory']) {
    const cell = el('td');
    cell.dataset.n = label;
    made.append(cell);
  }
  made.append(el('td'));
  return made;
}
function drawLine(made, m) {
  const open = !!state.detail && state.detail.model.model === m.model;
  made.firstChild.firstChild.setAttribute('aria-expanded', open);
  made.classList.toggle('open', open);
  made.classList.toggle('wants', m.refused || m.heldNow > 0 || m.wanted > m.ready);
  [bytes(m.weightBytes), m.tier + (m.fetched !== undefined ? ' ' + Math.floor(100 * m.fetched) + '%' : ''), replicas(m), rate(m.demandPerSecond) + (m.demandStale ? '?' : '')
    + (m.heldNow ? ', ' + count(m.heldNow) + ' waiting' : ''), rate(m.forecastPerSecond), m.memoryBytes === undefined ? '–' : (m.memoryCharged ? '≈ ' : '') + bytes(m.memoryBytes),
  m.reason].forEach((text, i) => say(made.children[i + 1], text));
}
function more() {
  const made = el('tr', undefined, 'more'), cell = el('td'), pair = el('div', undefined, 'pair');
  cell.colSpan = 8;
  pair.append(el('dl'), el('div', undefined, 'half'));
  cell.append(pair);
  made.append(cell);
  return made;
}
function drawMore(made, detail) {
  const [list, drawn] = made.firstChild.firstChild.children;
  const facts = detail.facts.map(fact => [fact.name, fact.text]);
  for (const r of detail.replicas)
    facts.push([r.id, r.state + ' since ' + clock(r.since) + (r.place ? ' on ' + r.place : '') + ', ' + count(r.outstanding) + ' in it' + (r.memoryBytes !== undefined ? ', ' + bytes(r.memoryBytes) : '')]);
  for (const step of detail.next) facts.push(['next', step.what + ': ' + step.why]);
  fill(list, JSON.stringify(facts), () => facts.flatMap(fact => [el('dt', fact[0]), el('dd', fact[1])]));
  fill(drawn, state.plot, () => state.plot ? [plot(state.plot)] : []);
}
function decision(d) {
  const made = el('tr');
  made.append(el('td', clock(d.at)), el('td', d.what), el('td', d.why || ''));
  return made;
}

function choose(model) {
  ask.model = model;
  listen();
}
function focusModel(by) {
  const names = [...$('rows').querySelectorAll('button')], at = names.indexOf(document.activeElement);
  const next = names[at < 0 ? (by > 0 ? 0 : names.length - 1) : at + by];
  if (next) { next.focus(); next.scrollIntoView({ block: 'nearest' }); }
}

let typing = 0;
$('q').addEventListener('input', () => {
  clearTimeout(typing);
  typing = setTimeout(() => { ask.q = $('q').value.trim(); ask.page = 0; listen(); }, 200);
});
$('sort').addEventListener('change', () => { ask.sort = $('sort').value; ask.page = 0; listen(); });
$('back').addEventListener('click', () => { ask.page = Math.max(0, ask.page - 1); listen(); });
$('on').addEventListener('click', () => { ask.page++; listen(); });
$('ask').addEventListener('submit', event => event.preventDefault());
$('by-node').addEventListener('toggle', () => { if (state) nodes(); });
document.addEventListener('keydown', event => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const field = event.target.matches('input, select, textarea');
  if (event.key === '/' && !field) { event.preventDefault(); $('q').focus(); }
  else if ((event.key === 'ArrowDown' || event.key === 'ArrowUp') && (!field || event.target === $('q')) && ($('rows').contains(event.target) || event.target === $('q'))) {
    event.preventDefault();
    focusModel(event.key === 'ArrowDown' ? 1 : -1);
  } else if (event.key === 'Escape' && ask.model) choose('');
});
// A hidden page need not keep a listener's place, of which there are few.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) { clearTimeout(retry); if (source) source.close(); source = null; } else if (!source) listen();
});
setInterval(when, 1000);
listen();
