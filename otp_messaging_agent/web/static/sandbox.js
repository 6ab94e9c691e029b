// Shows what each recipient would have got, live. Every text from a message is set as text,
// never as HTML, and no recipient ever stands in an address: filtering happens here.

const EVERY = 2000;
const SLOWEST = 15000;
const CHANNELS = ["SMS", "WhatsApp", "Call", "Email"];
const ABOUT_A_CODE = /code|pin\b|password|passcode|otp/i;
// 4 to 10 digits that stand alone, or the same as spoken: "1, 2, 3, 4" or "1 2 3 4".
const CODE = /(?<![\w#+.,:/$€£-])(\d{4,10}|\d(?:[,.]?\s\d){3,9})(?![\w:/-])/;

const $ = (id) => document.getElementById(id);
const shown = new Map();
const filter = { text: "", channel: "", person: "" };
let messages = [];
let last = null;
let timer = 0;
let failures = 0;

function make(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#icon-${name}`);
  svg.setAttribute("aria-hidden", "true");
  svg.append(use);
  return svg;
}

function codeIn(text) {
  return ABOUT_A_CODE.test(text) ? CODE.exec(text) : null;
}

function copyButton(label, text) {
  const button = make("button", "copy");
  button.type = "button";
  button.append(icon("copy"), make("span", "", label));
  button.addEventListener("click", () => copy(button, text));
  return button;
}

async function copy(button, text) {
  const label = button.querySelector("span");
  const before = label.dataset.before ?? label.textContent;
  label.dataset.before = before;
  try {
    await navigator.clipboard.writeText(text);
    label.textContent = "Copied";
  } catch {
    label.textContent = "Select and copy by hand";
  }
  setTimeout(() => { label.textContent = before; }, 1600);
}

function card(message) {
  const item = make("li", "card");
  item.dataset.channel = message.channel;
  const app = make("div", "app");
  app.append(icon(message.channel));
  const head = make("div", "head");
  const time = make("time");
  time.dateTime = message.at;
  time.title = new Date(message.at).toLocaleString();
  head.append(make("span", "", message.channel === "Call" ? "Voice call" : message.channel), time);
  item.append(app, head, make("div", "to", message.to));
  if (message.subject) item.append(make("p", "subject", message.subject));
  const said = make("p", "said");
  if (message.channel === "Call") said.append(make("span", "spoken", "What is said"));
  const code = codeIn(message.content);
  if (code) {
    const end = code.index + code[0].length;
    const digits = code[0].replace(/\D/g, "");
    const heard = message.channel === "Call" ? digits.split("").join(" ") : code[0];
    said.append(message.content.slice(0, code.index), make("strong", "code", heard), message.content.slice(end));
    item.append(said, copyButton("Copy code", digits));
  } else {
    said.append(message.content);
    item.append(said);
  }
  return item;
}

function ago(at, now) {
  const seconds = Math.max(0, (now - Date.parse(at)) / 1000);
  if (seconds < 5) return "now";
  if (seconds < 60) return `${Math.floor(seconds)} s ago`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ago`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)} h ago`;
  return new Date(at).toLocaleDateString(undefined, { day: "numeric", month: "short" });
}

function tick() {
  const now = new Date();
  $("clock").textContent = now.toLocaleTimeString(undefined, { hour: "2-digit", minute: "2-digit", hour12: false });
  $("date").textContent = now.toLocaleDateString(undefined, { weekday: "long", day: "numeric", month: "long" });
  for (const { node, message } of shown.values()) {
    node.querySelector("time").textContent = ago(message.at, now);
  }
}

const keyOf = (m) => `${m.message_id} ${m.channel} ${m.at}`;

function take(list) {
  const first = last === null;
  const keys = new Set(list.map(keyOf));
  for (const [key, { node }] of shown) {
    if (!keys.has(key)) { node.remove(); shown.delete(key); }
  }
  let place = $("feed").firstElementChild;
  const fresh = [];
  for (const message of list) {
    const key = keyOf(message);
    if (shown.has(key)) { place = shown.get(key).node.nextElementSibling; continue; }
    const node = card(message);
    if (!first) { node.classList.add("new"); fresh.push(message); }
    $("feed").insertBefore(node, place);
    shown.set(key, { node, message });
  }
  messages = list;
  if (fresh.length) {
    const one = fresh[0];
    $("news").textContent = fresh.length === 1 ? `New ${one.channel} message for ${one.to}` : `${fresh.length} new messages`;
  }
}

function matches(m) {
  const text = `${m.to}\n${m.subject ?? ""}\n${m.content}\n${m.channel}`.toLowerCase();
  return (!filter.channel || m.channel === filter.channel)
    && (!filter.person || m.to === filter.person)
    && (!filter.text || text.includes(filter.text));
}

function toggle(label, count, pressed, onPress, before) {
  const button = make("button");
  button.type = "button";
  button.setAttribute("aria-pressed", String(pressed));
  if (before) button.append(before);
  button.append(make("span", "who", label), make("span", "count", String(count)));
  button.addEventListener("click", onPress);
  return button;
}

/* Replaces the buttons of a group and keeps the keyboard's place in it. */
function refill(box, buttons) {
  const at = [...box.querySelectorAll("button")].indexOf(document.activeElement);
  box.replaceChildren(...buttons);
  if (at >= 0) box.querySelectorAll("button")[at]?.focus();
}

function drawFilters() {
  const count = (test) => messages.filter(test).length;
  refill($("channels"), ["", ...CHANNELS].map((name) => {
    const chip = toggle(name || "All", name ? count((m) => m.channel === name) : messages.length,
      filter.channel === name, () => set("channel", name), name ? icon(name) : null);
    chip.classList.add("chip");
    if (name) chip.dataset.channel = name;
    return chip;
  }));
  const people = new Map();
  for (const m of messages) people.set(m.to, (people.get(m.to) ?? 0) + 1);
  if (filter.person && !people.has(filter.person)) people.set(filter.person, 0);
  refill($("people"), [...people].map(([who, n]) => {
    const pressed = filter.person === who;
    const row = toggle(who, n, pressed, () => set("person", pressed ? "" : who), null);
    row.classList.add("person");
    const item = make("li");
    item.append(row);
    return item;
  }));
}

function draw() {
  drawFilters();
  let visible = 0;
  for (const { node, message } of shown.values()) {
    node.hidden = !matches(message);
    if (!node.hidden) visible += 1;
  }
  $("empty").hidden = messages.length > 0;
  $("nothing").hidden = messages.length === 0 || visible > 0;
  tick();
}

function set(name, value) {
  filter[name] = value;
  draw();
}

function state(name, text) {
  $("live").dataset.state = name;
  if ($("live-text").textContent !== text) $("live-text").textContent = text;
}

async function poll() {
  clearTimeout(timer);
  if (document.hidden) return state("waiting", "Paused");
  try {
    const answer = await fetch("/sandbox", { headers: { Accept: "application/json" }, cache: "no-store" });
    if (!answer.ok) throw new Error(String(answer.status));
    const text = await answer.text();
    if (text !== last) {
      take(JSON.parse(text).messages);
      last = text;
      draw();
    }
    failures = 0;
    state("live", "Live");
  } catch {
    failures += 1;
    state("lost", "Reconnecting");
  }
  tick();
  clearTimeout(timer);
  timer = setTimeout(poll, Math.min(SLOWEST, EVERY * 2 ** Math.min(failures, 3)));
}

$("search").addEventListener("input", (event) => set("text", event.target.value.trim().toLowerCase()));
$("clear").addEventListener("click", () => {
  Object.assign(filter, { text: "", channel: "", person: "" });
  $("search").value = "";
  draw();
  $("search").focus();
});
for (const button of document.querySelectorAll("[data-copies]")) {
  button.addEventListener("click", () => copy(button, $(button.dataset.copies).textContent));
}
document.addEventListener("keydown", (event) => {
  const typing = event.target.closest?.("input, textarea");
  if (event.key === "/" && !typing && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    $("search").focus();
  }
});
document.addEventListener("visibilitychange", poll);
tick();
poll();
