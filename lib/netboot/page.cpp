// SPDX-License-Identifier: Apache-2.0
// The operators' page. What machines say is shown as text only, never as markup.
#include "netboot/control.hpp"

namespace slipway::netboot {
namespace {

constexpr std::string_view html = R"page(<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Slipway: machines</title>
<link rel="stylesheet" href="/page.css">
<script src="/page.js" defer></script>
</head>
<body>
<header><h1>Machines</h1><span id="connection" role="status"></span></header>
<form id="enter" hidden>
  <label>The operator's token <input id="token" type="password" autocomplete="off" size="40"></label>
  <button>Enter</button>
</form>
<main hidden>
  <table id="machines">
    <thead><tr><th>Machine</th><th>Address</th><th>Phase</th><th>Image</th><th>Memory free</th><th>Up</th><th>Visits</th></tr></thead>
    <tbody></tbody>
  </table>
  <p id="none">No machine has reported yet.</p>
  <section id="machine" hidden>
    <h2></h2>
    <p id="about"></p>
    <p id="pending" hidden>It waits to be approved. Its console shows the same number? <button id="approve">Approve</button></p>
    <div id="acts">
      <form id="load"><input id="url" placeholder="https://… or the name of an image" size="50" aria-label="Image">
        <input id="options" placeholder="--sha256 … --entry native" size="24" aria-label="Options">
        <button id="load-button">Load</button></form>
      <button id="return">Return</button>
      <nav><button data-view="console" class="chosen">Console</button><button data-view="screen">Screen</button><button data-view="log">Log</button><button data-view="leaks">Last leak report</button></nav>
    </div>
    <p id="outcome" role="status"></p>
    <pre id="console" class="view" tabindex="0" aria-label="Console: what is typed here is typed there"></pre>
    <div id="screen" class="view" hidden><pre></pre><img alt="The machine's screen"></div>
    <pre id="log" class="view" hidden></pre>
    <pre id="leaks" class="view" hidden></pre>
  </section>
</main>
</body>
</html>
)page";

constexpr std::string_view css = R"page(
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { margin: 1.5rem auto; max-width: 75rem; padding: 0 1rem; }
header { display: flex; align-items: baseline; gap: 1rem; }
h1 { font-size: 1.4rem; margin: 0; }
table { border-collapse: collapse; width: 100%; margin: 1rem 0; }
th, td { text-align: left; padding: .4rem .7rem; border-bottom: 1px solid #8884; }
tbody tr { cursor: pointer; }
tbody tr:hover, tbody tr.chosen { background: #8882; }
tr.gone { opacity: .5; }
td { overflow-wrap: anywhere; }
.view { background: #111; color: #ddd; padding: .8rem; min-height: 24em; max-height: 34em; overflow: auto;
        font: 13px/1.35 ui-monospace, monospace; white-space: pre-wrap; overflow-wrap: anywhere; }
.view:focus { outline: 2px solid #48f; }
.view[hidden] { display: none; }
#screen pre { margin: 0; white-space: pre; }
#screen img { max-width: 100%; }
#acts { display: flex; flex-wrap: wrap; gap: .6rem; align-items: center; }
nav { margin-left: auto; }
button, input { font: inherit; padding: .25rem .6rem; }
button.chosen { font-weight: 600; }
.bad { color: #c33; white-space: pre-wrap; }
)page";

constexpr std::string_view script = R"page("use strict";
const $ = (selector) => document.querySelector(selector);
let token = decodeURIComponent(location.hash.slice(1)) || sessionStorage.getItem("token") || "";
history.replaceState(null, "", location.pathname);   // it is nobody's business
let chosen = null, machines = [], watching = null, view = "console";

async function ask(path, options = {}) {
  const answer = await fetch("/api/machines" + path, { ...options, headers: { Authorization: "Bearer " + token } });
  if (answer.ok) return answer;
  const said = await answer.json().catch(() => ({}));
  const error = said.error || { what: "the server says " + answer.status };
  throw Object.assign(new Error(error.what + (error.hint ? "\ntry: " + error.hint : "")), { status: answer.status });
}
const part = (id, what = "") => "/" + encodeURIComponent(id) + (what ? "/" + what : "");

function say(text, bad = false) {
  $("#outcome").textContent = text;
  $("#outcome").classList.toggle("bad", bad);
}
const size = (bytes) => bytes > 0 ? (bytes / 1048576).toFixed(0) + " MiB" : "";
function span(seconds) {
  if (!(seconds > 0)) return "";
  const minutes = Math.floor(seconds / 60);
  return minutes < 1 ? seconds + " s" : minutes < 60 ? minutes + " min" : Math.floor(minutes / 60) + " h " + minutes % 60 + " min";
}

// ---- the list
function show() {
  const body = $("#machines tbody");
  body.replaceChildren(...machines.map((machine) => {
    const row = document.createElement("tr");
    row.dataset.id = machine.id;
    row.className = (machine.id === chosen ? "chosen " : "") + (machine.connected ? "" : "gone");
    const cells = [machine.id + (machine.mac ? " · " + machine.mac : ""), machine.address, machine.status, machine.image_url,
                   size((machine.memory || {}).available), span(machine.uptime), machine.entries + " / " + machine.returns];
    for (const text of cells) row.insertCell().textContent = String(text);
    row.onclick = () => choose(machine.id);
    return row;
  }));
  $("#none").hidden = machines.length !== 0;
  const machine = machines.find((each) => each.id === chosen);
  $("#machine").hidden = !machine;
  if (!machine) return;
  $("#machine h2").textContent = machine.id;
  $("#about").textContent = [machine.product, machine.serial, machine.architecture, "Linux " + machine.kernel,
    (machine.addresses || []).join(", "), machine.image_digest && "SHA-256 " + machine.image_digest].filter(Boolean).join(" · ");
  $("#pending").hidden = machine.approved;
  $("#acts").hidden = !machine.approved;
  $("#return").disabled = machine.phase !== "target";
  $("#load-button").disabled = machine.phase === "target";
  $("#leaks").textContent = machine.last_leaks || (machine.returns ? "The last image left nothing behind." : "No image has come back yet.");
}
async function look() {
  try {
    machines = (await (await ask("")).json()).machines;
    sessionStorage.setItem("token", token);
    $("#enter").hidden = true;
    $("main").hidden = false;
    $("#connection").textContent = "";
    show();
    const machine = machines.find((each) => each.id === chosen);
    if (machine && machine.approved && !watching) watch(chosen);
  } catch (error) {
    $("#connection").textContent = token ? error.message : "";
    if (error.status === 403 || !token) {
      $("#enter").hidden = false;
      $("main").hidden = true;
    }
  }
}
function choose(id) {
  if (watching) watching.abort();
  watching = null;
  chosen = id;
  terminal.clear();
  say("");
  show();
  look();
}

// ---- the console: what a line editor and a boot need of a terminal
const terminal = {
  lines: [""], column: 0, rest: "",
  clear() { this.lines = [""]; this.column = 0; this.rest = ""; this.draw(); },
  put(text) {
    const line = this.lines[this.lines.length - 1].padEnd(this.column);
    this.lines[this.lines.length - 1] = line.slice(0, this.column) + text + line.slice(this.column + text.length);
    this.column += text.length;
  },
  control(number, kind) {
    const last = this.lines.length - 1, line = this.lines[last];
    if (kind === "K") this.lines[last] = number === 1 ? " ".repeat(this.column) + line.slice(this.column) : number === 2 ? "" : line.slice(0, this.column);
    else if (kind === "C") this.column += number || 1;
    else if (kind === "D") this.column = Math.max(0, this.column - (number || 1));
    else if (kind === "G") this.column = Math.max(0, (number || 1) - 1);
    else if (kind === "P") this.lines[last] = line.slice(0, this.column) + line.slice(this.column + (number || 1));
    else if (kind === "@") this.lines[last] = line.slice(0, this.column) + " ".repeat(number || 1) + line.slice(this.column);
    else if (kind === "J" && number === 2) { this.lines.push(""); this.column = 0; }
  },
  write(text) {
    text = this.rest + text;
    this.rest = "";
    const token = /\x1b\[([0-9;?]*)([@-~])|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[()][A-Z0-9]|\x1b[=>78cDEHM]|[\x00-\x1f\x7f]|[^\x00-\x1f\x7f]+/y;
    for (let at = 0; at < text.length; at = token.lastIndex) {
      token.lastIndex = at;
      if (text[at] === "\x1b" && text.length - at < 64 && !/^\x1b(\[[0-9;?]*[@-~]|\][^\x07\x1b]*(\x07|\x1b\\)|[()][A-Z0-9]|[=>78cDEHM])/.test(text.slice(at))) {
        this.rest = text.slice(at);
        break;
      }
      const found = token.exec(text);
      if (!found) { token.lastIndex = at + 1; continue; }
      if (found[2]) this.control(parseInt(found[1], 10) || 0, found[2]);
      else if (found[0] === "\n") { this.lines.push(""); }
      else if (found[0] === "\r") this.column = 0;
      else if (found[0] === "\b") this.column = Math.max(0, this.column - 1);
      else if (found[0] === "\t") this.put(" ".repeat(8 - this.column % 8));
      else if (found[0] >= " " && found[0] !== "\x7f") this.put(found[0]);
    }
    if (this.lines.length > 2000) this.lines.splice(0, this.lines.length - 2000);
    this.draw();
  },
  draw() {
    const place = $("#console");
    const below = place.scrollHeight - place.scrollTop - place.clientHeight < 40;
    place.textContent = this.lines.join("\n");
    if (below) place.scrollTop = place.scrollHeight;
  },
};
async function watch(id) {
  const mine = watching = new AbortController();
  try {
    const answer = await ask(part(id, "console"), { signal: mine.signal });
    terminal.clear();
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      const { done, value } = await reader.read();
      if (done || mine.signal.aborted) break;
      terminal.write(value);
    }
  } catch (error) { /* look() begins again */ }
  if (watching === mine) watching = null;
}
const keys = { Enter: "\r", Backspace: "\x7f", Tab: "\t", Escape: "\x1b", ArrowUp: "\x1b[A", ArrowDown: "\x1b[B", ArrowRight: "\x1b[C",
               ArrowLeft: "\x1b[D", Home: "\x1b[H", End: "\x1b[F", Delete: "\x1b[3~", PageUp: "\x1b[5~", PageDown: "\x1b[6~" };
let typed = "", sending = false;
async function type(text) {
  typed += text;
  if (sending) return;   // in the order in which it was typed
  sending = true;
  try {
    while (typed) {
      const now = typed;
      typed = "";
      await ask(part(chosen, "keys"), { method: "POST", body: now });
    }
  } catch (error) { say(error.message, true); }
  sending = false;
}
$("#console").addEventListener("keydown", (event) => {
  const text = event.ctrlKey && !event.altKey && /^[a-z[\]\\]$/.test(event.key) ? String.fromCharCode(event.key.toUpperCase().charCodeAt(0) & 31)
    : event.ctrlKey || event.metaKey || event.altKey ? null : keys[event.key] || (event.key.length === 1 ? event.key : null);
  if (text === null || (event.ctrlKey && event.key === "c" && String(getSelection()))) return;
  event.preventDefault();
  type(text);
});
$("#console").addEventListener("paste", (event) => { event.preventDefault(); type(event.clipboardData.getData("text").replace(/\r?\n/g, "\r")); });

// ---- what an operator does
async function command(line) {
  say(line + " …");
  try {
    const answer = await ask(part(chosen, "command"), { method: "POST", body: JSON.stringify({ line }) });
    const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
    let text = "";
    for (;;) {
      const { done, value } = await reader.read();
      text += value || "";
      const lines = text.split("\n");
      text = lines.pop();
      for (const each of lines.map((one) => JSON.parse(one))) {
        if (each.line) say(each.line);
        if (each.done !== undefined) say(each.done || "done");
        if (each.error) say(each.error.what + (each.error.hint ? "\ntry: " + each.error.hint : ""), true);
      }
      if (done) break;
    }
  } catch (error) { say(error.message, true); }
  look();
}
$("#load").onsubmit = (event) => {
  event.preventDefault();
  const url = $("#url").value.trim();
  if (url) command(("load " + url + " " + $("#options").value).trim());
};
$("#return").onclick = () => command("return");
$("#approve").onclick = async () => {
  try { await ask(part(chosen, "approve"), { method: "POST" }); say("approved"); } catch (error) { say(error.message, true); }
  look();
};
$("#enter").onsubmit = (event) => { event.preventDefault(); token = $("#token").value.trim(); look(); };

async function refresh() {
  if (!chosen || $("#machine").hidden) return;
  try {
    if (view === "log") $("#log").textContent = await (await ask(part(chosen, "log"))).text();
    if (view === "screen") {
      const answer = await ask(part(chosen, "screen"));
      const picture = answer.headers.get("Content-Type") === "image/png";
      const image = $("#screen img"), before = image.src;
      if (picture) image.src = URL.createObjectURL(await answer.blob());
      else $("#screen pre").textContent = await answer.text();
      if (before) URL.revokeObjectURL(before);
      image.hidden = !picture;
      $("#screen pre").hidden = picture;
    }
  } catch (error) { say(error.message, true); }
}
for (const button of document.querySelectorAll("nav button"))
  button.onclick = () => {
    view = button.dataset.view;
    for (const each of document.querySelectorAll("nav button")) each.classList.toggle("chosen", each === button);
    for (const each of document.querySelectorAll(".view")) each.hidden = each.id !== view;
    refresh();
  };
async function always(task, pause) {
  for (;;) {
    await task();
    await new Promise((go) => setTimeout(go, pause));
  }
}
always(look, 2000);
always(refresh, 2000);
)page";

} // namespace

const std::vector<PageFile>& page_files() {
    static const std::vector<PageFile> files{
        {"/", "text/html; charset=utf-8", html},
        {"/page.css", "text/css; charset=utf-8", css},
        {"/page.js", "text/javascript; charset=utf-8", script},
    };
    return files;
}

} // namespace slipway::netboot
