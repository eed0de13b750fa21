/** The console's live pages: polls for news, updates what has changed, and never loses text that is being typed. */
import { keepLooking } from "./wire.js";
import { setUpReply, afterReplace } from "./reply.js";
import { setUpCalls } from "./calls.js";

const page = document.body.dataset;
const EVERY = 1200;
/** A page in a background tab must alert its social worker in time, too. */
const HIDDEN = 3000;
/** Changes that need no action are shown with this delay: else, with hundreds of consoles, every text would reload all. */
const UNHURRIED = 8000;
const trouble = document.getElementById("trouble");
const announce = document.getElementById("announce");
const calls = page.page === "inbox" ? setUpCalls(page.waiting) : null;
const last = new Map();
let ahead = Date.parse(page.now) - Date.now();
let title = document.title;

document.documentElement.dataset.script = "";

/* -- times that are updated while the page is open -- */
function span(milliseconds) {
  const minutes = Math.max(0, Math.floor(milliseconds / 60000));
  if (minutes < 1) return "under a minute";
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return minutes % 60 ? `${hours} h ${minutes % 60} min` : `${hours} h`;
  return `${Math.floor(hours / 24)} day${hours >= 48 ? "s" : ""}`;
}

function tick() {
  const now = Date.now() + ahead;
  for (const place of document.querySelectorAll("time[data-since]")) {
    write(place, span(now - Date.parse(place.dateTime)));
  }
  for (const place of document.querySelectorAll("time[data-limit]")) {
    const left = Date.parse(place.dateTime) - now;
    write(place, left < 0 ? (left > -60000 ? "just over" : `over by ${span(-left)}`) : `${span(left)} left`);
    place.closest(".entry-limit, .case-state")?.classList.toggle(place.closest(".entry") ? "over" : "late", left < 0);
  }
}

function write(place, text) {
  if (place.textContent !== text) place.textContent = text;
}

/* -- news -- */
async function look() {
  if (trouble.dataset.kind === "signed-out") return void (Date.now() - signedOutAt > 5000 && (await refresh()));
  const url = `${page.news}?seen=${encodeURIComponent(page.seen)}`;
  const reply = await fetch(url, { headers: { "X-Pass": page.pass }, cache: "no-store", credentials: "omit" });
  if (reply.status === 204) return;
  if (reply.status === 202 && Date.now() - shownAt < UNHURRIED) return;
  if ([200, 202, 410].includes(reply.status)) return void (await refresh());
  throw new Error(String(reply.status));
}

let asked = 0;
let shown = 0;
let shownAt = Date.now();

export async function refresh() {
  const mine = ++asked;
  const reply = await fetch(page.parts, { headers: { Accept: "application/json" }, cache: "no-store" });
  if (reply.status === 401) return signedOut();
  if (reply.status === 403 || reply.status === 404) return say("You may not see this any more. What you typed is still here.");
  if (!reply.ok) throw new Error(String(reply.status));
  // Two requests can be pending at once; the response to the older one is outdated.
  if (mine < shown) return;
  shown = mine;
  putIn(await reply.json());
}

/** Update the page from a response of the server, also from the response to a posted form. */
export function putIn(fresh) {
  page.seen = fresh.seen;
  shownAt = Date.now();
  page.pass = fresh.newsPass;
  ahead = Date.parse(fresh.now) - Date.now();
  if (trouble.dataset.kind === "signed-out") say("");
  for (const [name, html] of Object.entries(fresh.parts)) replacePart(name, html);
  if (fresh.csrf) renewForms(fresh.csrf);
  if (fresh.box) page.box = fresh.box;
  if (calls) {
    const told = calls.show(fresh.waiting);
    if (told) announce.textContent = told;
    title = title.replace(/^\(\d+\) /, "");
    document.title = fresh.waiting.length ? `(${fresh.waiting.length}) ${title}` : title;
  }
  tick();
}

/** Remove what differs in every rendering without a real change. */
function settled(html) {
  return html.replace(/name="(csrf_token|once)" (type="hidden" )?value="[^"]*"/g, "").replace(/<time[^>]*data-(since|limit)[^>]*>[^<]*/g, "");
}

function replacePart(name, html) {
  const place = document.getElementById(`part-${name}`);
  if (!place) return;
  if (last.get(name) === settled(html)) return;
  if (name === "reply" && !replyMayChange(place, html)) return;
  if (name !== "reply" && isTouched(place)) return;
  last.set(name, settled(html));
  const open = [...place.querySelectorAll("details[id][open]")].map((each) => each.id);
  const wasKnown = new Set([...place.querySelectorAll("details[id]")].map((each) => each.id));
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  merge(place, parse(name === "lines" ? `<ol>${html}</ol>` : `<div>${html}</div>`).body.firstElementChild);
  for (const each of place.querySelectorAll("details[id]")) {
    if (wasKnown.has(each.id)) each.open = open.includes(each.id);
  }
  if (focused && !focused.isConnected) refocus(place, focused);
  if (name === "reply") afterReplace(place);
}

/** Unchanged rows keep their elements, so that nothing is announced, moved or animated twice. */
function merge(place, fresh) {
  const old = new Map([...place.querySelectorAll("[data-row]")].map((row) => [row.dataset.row, row]));
  const stays = isAtEnd();
  const added = [];
  for (const row of [...fresh.querySelectorAll("[data-row]")].reverse()) {
    const known = old.get(row.dataset.row);
    if (known && known.isConnected && settled(known.outerHTML) === settled(row.outerHTML)) row.replaceWith(known);
    else if (!known) added.push(row);
  }
  for (const row of added) row.classList.add("is-new");
  place.replaceChildren(...fresh.childNodes);
  if (place.id !== "part-lines") return;
  const heard = added.reverse().filter((row) => row.classList.contains("by-person"));
  if (heard.length) announce.textContent = `${heard[0].querySelector(".by").textContent}: ${heard.map((row) => row.querySelector(".bubble")?.textContent ?? "a picture").join(" ")}`;
  if (stays && added.length) toEnd();
}

function refocus(place, was) {
  const again = place.querySelector("textarea[name=body]") ?? (was.id ? document.getElementById(was.id) : place.querySelector(`a[href="${CSS.escape(was.getAttribute("href") ?? "")}"]`));
  (again ?? document.getElementById("content")).focus({ preventScroll: true });
}

/** The reply area stays as long as it is of the same kind; a reply that is being written is never replaced. */
function replyMayChange(place, html) {
  const body = place.querySelector("textarea[name=body]");
  const fresh = parse(`<div>${html}</div>`).querySelector("textarea[name=body]");
  if (!body) return true;
  if (fresh) {
    renewPiece(place, html);
    return false;
  }
  if (body.value.trim() === "") return true;
  keepTyped(place, body.value);
  return true;
}

/** Text that was being typed when a colleague took over: shown above the new reply area, to be copied. */
function keepTyped(place, text) {
  document.getElementById("typed")?.remove();
  const kept = document.createElement("p");
  kept.id = "typed";
  kept.className = "field kept";
  const label = document.createElement("label");
  label.htmlFor = "typed-body";
  label.textContent = "What you wrote. It was not sent.";
  const box = document.createElement("textarea");
  box.id = "typed-body";
  box.readOnly = true;
  box.value = text;
  kept.append(label, box);
  place.before(kept);
}

/** The parts above the text box can change while the social worker writes: warnings and scheduled texts. */
function renewPiece(place, html) {
  const fresh = parse(`<div>${html}</div>`).querySelector("[data-piece]");
  const old = place.querySelector("[data-piece]");
  if (!fresh || !old || settled(fresh.innerHTML) === settled(old.innerHTML.replace(/ open=""/g, ""))) return;
  const wasOpen = old.querySelector("details")?.open;
  old.replaceWith(fresh);
  const planned = fresh.querySelector("details");
  if (planned && wasOpen) planned.open = true;
}

function isTouched(place) {
  if ([...place.querySelectorAll("textarea")].some((each) => each.value !== each.defaultValue)) return true;
  return place.contains(document.activeElement) && document.activeElement.matches("select, input, textarea");
}

function renewForms(html) {
  const token = parse(html).querySelector("input").value;
  for (const field of document.querySelectorAll('input[name="csrf_token"]')) field.value = token;
}

function parse(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

/* -- scrolling to the newest text -- */
function scroller() {
  const place = document.querySelector(".talk-scroll");
  if (!place) return null;
  return place.scrollHeight > place.clientHeight + 1 && getComputedStyle(place).overflowY === "auto" ? place : document.scrollingElement;
}

function isAtEnd() {
  const end = document.getElementById("newest");
  return end ? end.getBoundingClientRect().top < window.innerHeight + 120 : false;
}

export function toEnd() {
  const place = scroller();
  if (place && place !== document.scrollingElement) place.scrollTop = place.scrollHeight;
  else document.getElementById("newest")?.scrollIntoView({ block: "end" });
}

/* -- errors and signing out -- */
function say(text, kind = "") {
  trouble.textContent = text;
  trouble.dataset.kind = kind;
  trouble.hidden = !text;
}

let signedOutAt = 0;

export function signedOut() {
  signedOutAt = Date.now();
  if (trouble.dataset.kind === "signed-out") return;
  say("Your session has ended. What you typed is still here. ", "signed-out");
  const link = document.createElement("a");
  link.href = `/sign-in?next=${encodeURIComponent(window.location.pathname)}`;
  link.target = "_blank";
  link.rel = "noopener";
  link.textContent = "Sign in again in a new window";
  trouble.append(link, ", then come back to this page.");
}

if (page.page === "handoff") {
  setUpReply({ putIn, refresh, signedOut, toEnd });
  const wide = window.matchMedia("(min-width: 68rem)").matches;
  if (wide || (page.box === "write" && !window.location.hash)) toEnd();
}
tick();
setInterval(tick, 5000);
keepLooking(
  look,
  (isTrouble) => {
    if (isTrouble) say("The line does not answer. What is on the page may be old. Trying again.");
    else if (trouble.dataset.kind !== "signed-out") say("");
  },
  { every: EVERY, hidden: HIDDEN },
);
