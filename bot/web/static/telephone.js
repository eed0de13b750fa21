/** Shared by the pages with pretend phones: posting, updating without scroll jumps, and the clock. */
import { measure } from "./segments.js";
import { keepLooking, once } from "./wire.js";

const AWAY = "The database is away: the text is kept and will be taken later";

const zone = document.body.dataset.zone;
const notice = document.getElementById("notice");
let ahead = Date.parse(document.body.dataset.now) - Date.now();

const formats = {
  time: new Intl.DateTimeFormat("en-US", { timeZone: zone, hour: "numeric", minute: "2-digit" }),
  short: new Intl.DateTimeFormat("en-US", { timeZone: zone, hour: "numeric", minute: "2-digit" }),
  day: new Intl.DateTimeFormat("en-US", { timeZone: zone, weekday: "long", month: "short", day: "numeric" }),
};

function tick() {
  const now = new Date(Date.now() + ahead);
  for (const place of document.querySelectorAll("[data-clock]")) {
    const kind = place.dataset.clock;
    const text = formats[kind].format(now);
    place.textContent = kind === "short" ? text.replace(/ [AP]M$/, "") : text;
  }
}

export function say(text) {
  notice.textContent = text;
}

export async function post(form, fields) {
  const reply = await fetch(form.action, {
    method: "POST",
    headers: { Accept: "application/json" },
    body: new URLSearchParams(fields),
  });
  if (reply.status === 413) return { error: "That text is far too long. Make it shorter." };
  if (!reply.ok && reply.status !== 422) throw new Error(String(reply.status));
  return (reply.headers.get("Content-Type") ?? "").includes("json") ? reply.json() : { error: "That text is too long." };
}

/** Returns the function that polls for news and calls `show(fresh, isFirst)`, never with an older response after a newer. */
export function lookout(show) {
  let seen = "";
  let asked = 0;
  let shownLast = 0;
  return async function look() {
    const mine = ++asked;
    const reply = await fetch(document.body.dataset.news, { headers: { "X-Seen": seen }, cache: "no-store" });
    if (reply.status === 204) return;
    if (reply.status === 404) return void window.location.reload();
    if (!reply.ok) throw new Error(String(reply.status));
    const fresh = await reply.json();
    // Two requests can be pending at once; the response to the older one is outdated.
    if (mine < shownLast) return;
    shownLast = mine;
    const first = seen === "";
    seen = fresh.seen;
    ahead = Date.parse(fresh.now) - Date.now();
    for (const place of document.querySelectorAll("[data-ahead]")) {
      place.textContent = fresh.ahead ? `${fresh.ahead} ahead of real time` : "Real time";
    }
    tick();
    show(fresh, first);
  };
}

export function parse(html) {
  return new DOMParser().parseFromString(html, "text/html");
}

/** Merge fresh lines into a list; returns whether there are new ones. Known lines keep their elements, so that nothing is
    announced or moved twice. */
export function mergeLines(list, fresh, isFirst, isSame = (known, line) => known.innerHTML === line.innerHTML) {
  const old = new Map([...list.children].map((line) => [line.dataset.row, line]));
  const added = [];
  const lines = [...fresh.children].map((line) => {
    const known = old.get(line.dataset.row);
    if (known && isSame(known, line)) return known;
    if (!known && !isFirst) {
      if (line.classList.contains("theirs")) line.classList.add("is-new");
      added.push(line);
    }
    return document.adoptNode(line);
  });
  // A text that was just sent, or spooled in a database outage, has no row yet.
  const floating = [...list.querySelectorAll(".is-pending, [data-kept]")];
  const answered = added.some((line) => line.classList.contains("mine"));
  for (const line of list.children) if (!lines.includes(line) && !floating.includes(line)) line.remove();
  const staying = answered ? floating.filter((line) => line.dataset.waiting !== undefined) : floating;
  for (const line of floating) if (!staying.includes(line)) line.remove();
  const wanted = [...lines, ...staying];
  wanted.forEach((line, at) => {
    if (list.children[at] !== line) list.insertBefore(line, list.children[at] ?? null);
  });
  return added.length > 0;
}

function bubble(side, text) {
  const line = document.createElement("li");
  line.className = `line ${side} is-new`;
  line.dataset.row = `floating-${once()}`;
  const words = document.createElement("div");
  words.className = "bubble";
  words.textContent = text;
  line.append(words);
  return line;
}

/** Show a reply that is not in the database; its bubbles stay until Warmline sends the next text. */
function showKept(list, pending, reply, why) {
  pending.classList.remove("is-pending");
  pending.dataset.kept = "";
  const line = bubble("theirs", reply);
  line.dataset.kept = "";
  list.append(line);
  if (!why) return;
  const marks = document.createElement("p");
  marks.className = "marks";
  const tag = document.createElement("span");
  tag.className = "tag tag-danger";
  tag.textContent = why;
  marks.append(tag);
  line.append(marks);
}

/**
 * Set up a phone's text box. `list()` returns the list of its texts, `extra()` the fields that are posted with the text.
 */
export function setUpCompose(device, look, { list, extra, scrollDown }) {
  const form = device.querySelector(".compose");
  const body = form.elements.body;
  const typing = device.querySelector(".typing");
  const count = device.querySelector(".count");
  let queue = Promise.resolve();
  let under = 0;

  function showCount() {
    const { encoding, segments, left } = measure(body.value.trim());
    const plural = segments === 1 ? "" : "s";
    count.textContent = body.value.trim() ? `${encoding}, ${segments} segment${plural}, ${left} left` : "\u00a0";
  }

  function send(fields, shown) {
    const pending = bubble("mine", shown);
    pending.classList.add("is-pending");
    pending.dataset.waiting = "";
    const lines = list();
    lines.querySelector('[data-row="empty"]')?.remove();
    lines.append(pending);
    under += 1;
    typing.hidden = false;
    scrollDown();
    const posted = { once: once(), phone: device.dataset.phone, ...extra(), ...fields };
    // One after the other: texts must arrive in the order in which they were sent.
    queue = queue.then(() => carry(posted, pending, lines)).finally(() => {
      under -= 1;
      typing.hidden = under === 0;
    });
  }

  async function carry(posted, pending, lines) {
    const secret = form.elements.secret.value;
    try {
      const answer = await post(form, { secret, ...posted });
      if (answer.error) throw Object.assign(new Error(), { shown: answer.error });
      say("");
      delete pending.dataset.waiting;
      if (answer.kept) {
        showKept(lines, pending, answer.kept, answer.why ?? AWAY);
        return scrollDown();
      }
      await look();
      pending.remove();
    } catch (error) {
      pending.remove();
      body.value = [posted.body ?? posted.suggestion ?? "", body.value].filter(Boolean).join("\n");
      showCount();
      say(error.shown ?? "That text was not sent: the line could not be reached. It is back in the box.");
    }
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const by = event.submitter;
    if (by?.name === "suggestion") return send({ suggestion: by.value }, by.value);
    if (by?.value === "picture") return send({ do: "picture" }, "Picture");
    const text = body.value.trim();
    if (!text) return say("Write something first.");
    if (text.length > Number(form.dataset.most)) return say(`Longer than ${form.dataset.most} characters: no phone sends that.`);
    body.value = "";
    showCount();
    send({ do: "send", body: text }, text);
    return body.focus();
  });
  body.addEventListener("input", showCount);
  body.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    form.requestSubmit(form.querySelector(".send"));
  });
  showCount();
  scrollDown();
}

/** Set up the clock's buttons and start polling. */
export function start(look) {
  for (const form of document.querySelectorAll("form[data-live]")) {
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const { name, value } = event.submitter;
      try {
        await post(form, { secret: form.elements.secret.value, [name]: value });
        await look();
      } catch {
        say("The clock could not be pushed. Load the page again.");
      }
    });
  }
  document.documentElement.dataset.script = "";
  tick();
  setInterval(tick, 5000);
  keepLooking(look, (isTrouble) => say(isTrouble ? "The line does not answer. Trying again." : "The line answers again."));
}
