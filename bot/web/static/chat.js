/**
 * The web chat. The page works without this script; with it, messages arrive without a reload and Esc leaves the page.
 * The conversation's token is kept in the form only, never in storage that outlives the page.
 */
import { keepLooking, once } from "./wire.js";

let stop = () => {};
let leaving = false;

function start() {
  const form = document.getElementById("composer");
  const body = form.elements.body;
  const log = document.getElementById("lines");
  const scroller = document.getElementById("scroller");
  const notice = document.getElementById("notice");
  const typing = document.getElementById("typing");
  const count = document.getElementById("count");
  const said = form.dataset;
  const longest = Number(said.longest);
  const plainHint = count.textContent;
  const waiting = [];
  let working = false;
  let after = Number(said.after);
  let asked = 0;
  // A retry with the same text and nonce counts once, in case the failed attempt did reach the server.
  let again = null;

  document.documentElement.dataset.script = "";
  scrollDown();

  /** `isQuiet`: announced to screen readers but not shown, because the page shows it already. */
  function tell(text, isError = false, isQuiet = false) {
    if (notice.textContent !== text) notice.textContent = text;
    notice.classList.toggle("is-quiet", isQuiet);
    notice.classList.toggle("is-error", isError && text !== "");
  }

  function fail(text) {
    tell(text, true);
    body.setAttribute("aria-invalid", "true");
    body.focus();
  }

  function scrollDown() {
    if (log.childElementCount > 0) scroller.scrollTop = scroller.scrollHeight;
    if (log.childElementCount > 0 && scroller.scrollHeight <= scroller.clientHeight) {
      log.lastElementChild.scrollIntoView({ block: "nearest" });
    }
  }

  function firstWords() {
    document.getElementById("starters")?.remove();
    const about = document.querySelector(".about");
    if (log.childElementCount === 0 && about) about.open = false;
  }

  function showPending(text) {
    firstWords();
    const line = document.createElement("li");
    line.className = "line mine is-pending is-new";
    const who = document.createElement("span");
    who.className = "hidden";
    who.textContent = `${said.you}: `;
    const bubble = document.createElement("div");
    bubble.className = "bubble";
    bubble.textContent = text;
    line.append(who, bubble);
    log.append(line);
    scrollDown();
    return line;
  }

  /** Add the new lines. Placeholder lines that are now in the database are removed. */
  function show(answer, pending) {
    form.elements.token.value = answer.token;
    const fresh = new DOMParser().parseFromString(`<ol>${answer.html}</ol>`, "text/html");
    const lines = [...fresh.querySelectorAll("li")].filter(
      (line) => !line.dataset.row || !log.querySelector(`[data-row="${line.dataset.row}"]`),
    );
    if (answer.lapsed) after = 0;
    if (answer.after !== null) {
      after = answer.after;
      for (const old of log.querySelectorAll("[data-kept]")) old.remove();
      pending?.remove();
    }
    if (answer.kept && pending) pending.dataset.kept = "";
    for (const line of lines) {
      if (answer.kept) line.dataset.kept = "";
      if (line.classList.contains("theirs")) line.classList.add("is-new");
      log.append(document.adoptNode(line));
    }
    // Messages that the person has written meanwhile stay below the answer to the earlier one.
    for (const item of waiting) log.append(item.line);
    if (lines.length > 0) {
      firstWords();
      scrollDown();
    }
  }

  async function ask(fields) {
    const mine = ++asked;
    const reply = await fetch(form.action.split("#")[0], {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams({
        token: form.elements.token.value,
        page_language: form.elements.page_language.value,
        after: String(after),
        ...fields,
      }),
      cache: "no-store",
      credentials: "omit",
      referrerPolicy: "no-referrer",
      // keepalive: a message that is being sent when the page is left still arrives.
      keepalive: true,
    });
    if (reply.status === 413) return { refused: said.tooLong };
    if (!reply.ok && reply.status !== 422) throw new Error(String(reply.status));
    return { answer: await reply.json(), isNewest: mine === asked };
  }

  /** Send the waiting messages one after the other, so that they arrive in the order in which they were written. */
  async function work() {
    if (working) return;
    working = true;
    typing.hidden = false;
    while (waiting.length > 0) {
      const item = waiting[0];
      tell(said.sending, false, true);
      try {
        const { answer, refused } = await ask({ do: "send", body: item.text, once: item.once });
        if (leaving) return;
        waiting.shift();
        if (refused || answer.error) {
          giveBack(item, refused || answer.error);
        } else {
          item.line.classList.remove("is-pending");
          show(answer, item.line);
          tell(answer.notice || said.sent, answer.kept, !answer.notice);
        }
      } catch {
        if (leaving) return;
        giveBackAll();
      }
    }
    typing.hidden = true;
    working = false;
  }

  function giveBack(item, why) {
    item.line.remove();
    body.value = [item.text, body.value].filter(Boolean).join("\n");
    measure();
    fail(why);
  }

  /** The server cannot be reached: all waiting messages go back into the text box, where the person sees them. */
  function giveBackAll() {
    const texts = waiting.map((item) => item.text);
    again = waiting.length === 1 ? { text: waiting[0].text, once: waiting[0].once } : null;
    for (const item of waiting.splice(0)) item.line.remove();
    body.value = [...texts, body.value].filter(Boolean).join("\n");
    measure();
    fail(said.notSent);
  }

  function send(text) {
    if (!text) return fail(said.empty);
    if ([...text].length > longest) return fail(said.tooLong);
    body.removeAttribute("aria-invalid");
    const number = again?.text === text ? again.once : once();
    again = null;
    waiting.push({ text, once: number, line: showPending(text) });
    body.value = "";
    measure();
    body.focus();
    work();
    return undefined;
  }

  function measure() {
    const left = longest - [...body.value].length;
    count.textContent = left >= 200 ? plainHint : left >= 0 ? `${left} ${said.left}` : `${-left} ${said.over}`;
    count.parentElement.classList.toggle("is-over", left < 0);
  }

  async function look() {
    if (working) return;
    const { answer, isNewest } = await ask({ do: "check" });
    // Ignore a response that a later request has overtaken: it would add the same lines twice.
    if (!isNewest || working || leaving) return;
    show(answer);
    if (answer.notice) tell(answer.notice, true);
  }

  /** Replace this page by the one in the other language: a navigation would add an entry to the browser's history. */
  async function turnTo(language) {
    const reply = await fetch(form.action.split("#")[0], {
      method: "POST",
      headers: { Accept: "text/html" },
      body: new URLSearchParams({ token: form.elements.token.value, body: body.value, language }),
      credentials: "omit",
      referrerPolicy: "no-referrer",
    });
    if (!reply.ok) throw new Error(String(reply.status));
    const page = new DOMParser().parseFromString(await reply.text(), "text/html");
    stop();
    document.documentElement.lang = page.documentElement.lang;
    document.title = page.title;
    document.body.replaceWith(document.adoptNode(page.body));
    start();
    document.querySelector(".language").focus();
  }

  form.addEventListener("submit", (event) => {
    const by = event.submitter;
    event.preventDefault();
    if (by?.name === "language") turnTo(by.value).catch(() => tell(said.offline, true));
    else if (by?.name === "starter") send(by.value);
    else send(body.value.trim());
  });
  body.addEventListener("input", measure);
  body.addEventListener("keydown", (event) => {
    const composing = event.isComposing || event.keyCode === 229;
    // On a touch keyboard Enter starts a new line; the button sends.
    if (event.key !== "Enter" || event.shiftKey || composing || matchMedia("(hover: none)").matches) return;
    event.preventDefault();
    send(body.value.trim());
  });
  document.getElementById("leave").addEventListener("click", (event) => {
    event.preventDefault();
    leave(said.leave);
  });

  stop = keepLooking(look, (isTrouble) => {
    if (isTrouble || notice.textContent === said.offline) tell(isTrouble ? said.offline : said.back, isTrouble);
  });
}

/** Quick exit: clear the screen first, because the next page may load slowly. */
function leave(to) {
  leaving = true;
  stop();
  document.body.replaceChildren();
  document.title = "";
  // If the browser allows it, a new tab opens in front; this tab goes to the same page, without a way back.
  window.open(to, "_blank", "noopener,noreferrer");
  window.location.replace(to);
}

document.addEventListener("keydown", (event) => {
  // While an input method is composing, Esc only cancels the composition.
  if (event.key !== "Escape" || event.isComposing || event.keyCode === 229 || leaving) return;
  event.preventDefault();
  leave(document.getElementById("composer").dataset.leave);
});

// The browser may restore the page from its back-forward cache: then it must be empty.
window.addEventListener("pagehide", () => {
  leaving = true;
  stop();
  document.body.replaceChildren();
});
window.addEventListener("pageshow", (event) => {
  if (event.persisted) window.location.reload();
});

history.replaceState(null, "", window.location.pathname);
start();
