/** The flow studio's pages: counts what a text costs while it is written, previews the step on a phone, adds rows, and
    handles keyboard shortcuts. All of it is optional: without this script the same forms work. */
import { measure } from "./segments.js";

document.documentElement.dataset.script = "";
const form = document.querySelector(".step-form");
const PAUSE = 350;

/* -- what a text costs, field by field -- */
function folded(text) {
  return text.replace(/[áíóúÁÍÓÚ]/g, (letter) => letter.normalize("NFD")[0]);
}

function count(box) {
  const place = document.querySelector(`[data-count-of="${CSS.escape(box.id)}"]`);
  if (!place) return;
  const text = box.value.trim();
  const { encoding, segments, left } = measure(folded(text));
  place.textContent = text
    ? `${segments} segment${segments === 1 ? "" : "s"}, ${left} left${encoding === "UCS-2" ? ", special letters" : ""}`
    : "";
}

/* -- the preview of the step on a phone: rendered by the server, shortly after the last key press -- */
let timer = 0;
let asked = 0;

function later() {
  clearTimeout(timer);
  timer = setTimeout(show, PAUSE);
}

async function show() {
  const place = document.getElementById("preview");
  if (!place || !form) return;
  const number = ++asked;
  try {
    const reply = await fetch(form.dataset.preview, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new URLSearchParams([...new FormData(form).entries()]),
    });
    const isOurs = (reply.headers.get("Content-Type") ?? "").includes("json");
    if (!reply.ok || !isOurs || number !== asked) return;
    place.innerHTML = (await reply.json()).html;
  } catch {
    // The preview stays as it was; saving reports what is wrong.
  }
}

/* -- adding a choice or a branch -- */
function addRow(group, kind) {
  const rows = group.querySelectorAll("[data-row]");
  const last = rows[rows.length - 1];
  const next = rows.length + 1;
  const fresh = last.cloneNode(true);
  for (const each of fresh.querySelectorAll("[name], [id], [for], [data-count-of]")) {
    for (const name of ["name", "id", "for", "data-count-of"]) {
      const value = each.getAttribute(name);
      if (value) each.setAttribute(name, value.replace(new RegExp(`^${kind}\\.\\d+\\.`), `${kind}.${next}.`));
    }
    if ("value" in each && each.tagName !== "BUTTON") each.value = each.name.endsWith(".at") ? String(next) : "";
  }
  for (const badge of fresh.querySelectorAll(".badge, .check")) badge.remove();
  for (const counted of fresh.querySelectorAll(".count-of")) counted.textContent = "";
  last.after(fresh);
  fresh.querySelector("input:not([type=hidden], [name$='.at'])")?.focus();
}

for (const group of form?.querySelectorAll("[data-rows]") ?? []) {
  if (form.hasAttribute("data-readonly")) break;
  const kind = group.dataset.rows;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "button quiet small";
  button.textContent = kind === "choice" ? "One more choice" : "One more line";
  button.addEventListener("click", () => addRow(group, kind));
  group.append(button);
}

/* -- leaving the page must not lose typed text -- */
let dirty = false;
const guarded = form ?? document.querySelector("form:has(textarea.code)");
if (guarded) {
  guarded.addEventListener("input", (event) => {
    dirty = true;
    if (event.target.matches("[data-counted]")) count(event.target);
    if (form) later();
  });
  guarded.addEventListener("submit", () => (dirty = false));
  addEventListener("beforeunload", (event) => dirty && event.preventDefault());
  for (const box of guarded.querySelectorAll("[data-counted]")) {
    count(box);
    // Typed before this script was loaded, or restored by the browser.
    if (box.value !== box.defaultValue) dirty = true;
  }
  if (dirty && form) later();
}

/* -- shortcuts: Ctrl or Cmd with S saves, with Z and Y undoes and redoes outside of text fields, Alt with arrows moves the step -- */
const KEYS = { s: "s", z: "z", y: "y" };

addEventListener("keydown", (event) => {
  const typing = event.target.matches?.("input, textarea, select");
  let key = "";
  if (event.altKey && !typing && event.key === "ArrowUp") key = "up";
  if (event.altKey && !typing && event.key === "ArrowDown") key = "down";
  if (event.ctrlKey || event.metaKey) key = KEYS[event.key.toLowerCase()] ?? "";
  if (!key || (key !== "s" && typing)) return;
  const button = document.querySelector(`button[data-key="${key}"]:not([disabled])`);
  if (!button) return;
  event.preventDefault();
  button.form.requestSubmit(button);
});
