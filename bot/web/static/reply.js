/** The reply area: counts what a text costs, sends without a reload, and keeps typed text that was not sent. */
import { measure } from "./segments.js";
import { once } from "./wire.js";

let page = null;

function say(text) {
  document.getElementById("notice").textContent = text;
}

/** The text as it is sent by SMS: letters that GSM-7 lacks lose their accents. */
function folded(text) {
  return text.replace(/[áíóúÁÍÓÚ]/g, (letter) => letter.normalize("NFD")[0]);
}

function showCount(form) {
  const text = form.elements.body.value.trim();
  const { encoding, segments, left } = measure("folds" in form.dataset ? folded(text) : text);
  const longest = Number(form.dataset.longest);
  const size = `${segments} segment${segments === 1 ? "" : "s"}, ${left} left${encoding === "UCS-2" ? ", special letters" : ""}`;
  form.querySelector("#count").textContent = !text ? "" : text.length > longest ? `Too long: ${text.length} of ${longest} characters` : size;
}

async function post(form, fields) {
  return fetch(form.action, {
    method: "POST",
    headers: { Accept: "application/json" },
    body: new URLSearchParams([...new FormData(form).entries(), ...fields]),
  });
}

/** Post the form and update the page from the response. Returns whether it succeeded; typed text stays until then. */
async function act(form, submitter) {
  const fields = submitter?.name ? [[submitter.name, submitter.value]] : [];
  const buttons = [...form.querySelectorAll("button")];
  for (const each of buttons) each.disabled = true;
  let fresh = null;
  try {
    const reply = await post(form, fields);
    if (reply.status === 401) return void page.signedOut();
    const isOurs = (reply.headers.get("Content-Type") ?? "").includes("json");
    if (!isOurs) return void say("That did not work. What you typed is still here. Load the page again and repeat it.");
    fresh = await reply.json();
    if (fresh.gone) return void leave(form, fresh.gone);
    say(fresh.notice);
    return reply.ok;
  } catch {
    say("The line could not be reached. Nothing is lost: try again.");
    return false;
  } finally {
    for (const each of buttons) each.disabled = false;
    if (fresh?.parts) {
      if (!fresh.notice) clear(form);
      page.putIn(fresh);
    }
  }
}

function leave(form, address) {
  clear(form);
  window.location.assign(address);
}

/** Reset the form after success, so that the server's new version can replace it. */
function clear(form) {
  for (const each of form.querySelectorAll("textarea")) each.value = each.defaultValue = "";
  if (form.elements.once) form.elements.once.value = once();
  if (form.elements.at) form.elements.at.value = "";
  for (const each of form.querySelectorAll("details.tool")) each.open = false;
  for (const each of document.querySelectorAll(".case-actions details")) if (each.contains(form)) each.open = false;
  if (form.contains(document.activeElement) && !form.matches("[data-reply]")) document.activeElement.blur();
}

function fill(form) {
  const chosen = form.elements.reply.selectedOptions[0];
  if (!chosen?.dataset.body) return;
  const body = form.elements.body;
  body.value = [body.value.trimEnd(), chosen.dataset.body].filter(Boolean).join("\n");
  showCount(form);
  body.focus();
}

async function submit(event) {
  const form = event.target.closest("form[data-reply], form[data-act]");
  if (!form) return;
  event.preventDefault();
  const by = event.submitter;
  if (by?.dataset.fill !== undefined) return fill(form);
  if (form.dataset.reply !== undefined && !form.elements.body.value.trim()) return say("Write something first.");
  const done = await act(form, by ?? form.querySelector("button"));
  if (!form.isConnected || form.dataset.reply === undefined) return;
  showCount(form);
  form.elements.body.focus();
  if (done) page.toEnd();
}

/** To be called after the reply area was replaced. */
export function afterReplace(place) {
  const form = place.querySelector("form[data-reply]");
  if (form) showCount(form);
}

/** `given`: functions of the page: putIn, signedOut, toEnd. */
export function setUpReply(given) {
  page = given;
  const main = document.getElementById("content");
  main.addEventListener("submit", submit);
  main.addEventListener("input", (event) => {
    const form = event.target.closest("form[data-reply]");
    if (form && event.target.name === "body") showCount(form);
  });
  main.addEventListener("keydown", (event) => {
    const form = event.target.closest("form[data-reply]");
    if (form && event.target.name === "body" && event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      form.requestSubmit(form.querySelector(".send"));
    }
  });
  // Leaving the page by mistake must not lose typed text.
  window.addEventListener("beforeunload", (event) => {
    if ([...main.querySelectorAll("textarea")].some((each) => !each.readOnly && each.value !== each.defaultValue)) event.preventDefault();
  });
  afterReplace(main);
}
