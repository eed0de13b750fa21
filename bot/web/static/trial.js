/**
 * The studio's trial phone. The page works without this script; with it a text is answered without a reload: the new pane is
 * fetched and its changes are merged. Known lines are not touched, so that screen readers announce only new ones.
 */

function start(pane) {
  const scroller = pane.querySelector(".trial-scroller");
  let last = Promise.resolve();
  scrollDown();

  pane.addEventListener("submit", (event) => {
    const form = event.target.closest("[data-act]");
    if (!form) return;
    event.preventDefault();
    const submitter = event.submitter;
    // One after the other. A button that is gone by now was pressed twice.
    last = last.then(() => (submitter?.isConnected ? act(form, submitter) : undefined));
  });
  pane.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.target.id !== "trial-body") return;
    event.preventDefault();
    event.target.form.requestSubmit(event.target.form.querySelector(".trial-send"));
  });

  function scrollDown() {
    if (scroller) scroller.scrollTop = scroller.scrollHeight;
  }

  function say(words) {
    pane.querySelector('[data-part="notice"]').textContent = words;
  }

  async function act(form, submitter) {
    const typed = form.elements.body?.value;
    const fields = new URLSearchParams([...new FormData(form).entries(), [submitter.name, submitter.value]]);
    pane.setAttribute("aria-busy", "true");
    try {
      const reply = await fetch(form.action, { method: "POST", headers: { Accept: "application/json" }, body: fields });
      const isOurs = (reply.headers.get("Content-Type") ?? "").includes("json");
      if (!isOurs) return void say("That did not work. What you typed is still here. Load the page again and repeat it.");
      const fresh = await reply.json();
      putIn(fresh.html);
      say(fresh.notice);
      // Text that was typed during the request stays.
      if (reply.ok && typed !== undefined && form.elements.body?.value === typed) form.elements.body.value = "";
    } catch {
      say("The line could not be reached. Nothing is lost: try again.");
    } finally {
      pane.removeAttribute("aria-busy");
    }
  }

  function putIn(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html").querySelector("[data-trial]");
    const lines = pane.querySelector("[data-lines]");
    const freshLines = fresh.querySelector("[data-lines]");
    if (!lines || !freshLines) return void window.location.reload();
    putInLines(lines, freshLines);
    const hadFocus = document.activeElement;
    for (const part of pane.querySelectorAll("[data-part]:not([data-part='notice'])")) {
      const other = fresh.querySelector(`[data-part="${part.dataset.part}"]`);
      if (!other) continue;
      part.hidden = other.hidden;
      if (part.innerHTML !== other.innerHTML) part.replaceChildren(...other.childNodes);
    }
    const compose = pane.querySelector("[data-compose]");
    compose.elements.count.value = fresh.querySelector("[data-compose]").elements.count.value;
    // The pressed button was replaced or is gone.
    if (hadFocus && !hadFocus.isConnected) compose.elements.body.focus({ preventScroll: true });
    scrollDown();
  }

  function putInLines(lines, fresh) {
    const now = [...fresh.children];
    const then = [...lines.children];
    let same = 0;
    while (same < now.length && same < then.length && now[same].isEqualNode(then[same])) same += 1;
    for (const line of then.slice(same)) line.remove();
    for (const line of now.slice(same)) lines.append(document.adoptNode(line));
  }
}

for (const pane of document.querySelectorAll("[data-trial]")) start(pane);
