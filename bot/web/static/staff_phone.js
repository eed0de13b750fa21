/** The social workers' phones: sends and shows texts without a reload, shows ringing calls, and posts pressed keys. */
import { lookout, mergeLines, parse, post, say, setUpCompose, start } from "./telephone.js";

const shown = new Map();

const look = lookout((fresh) => {
  for (const [key, pieces] of Object.entries(fresh.phones)) {
    const device = document.querySelector(`[data-phone="${key}"]`);
    if (device) show(device, pieces);
  }
});

function show(device, pieces) {
  mergeThreads(device, parse(pieces.threads).body);
  for (const name of ["ringing", "calls", "choices"]) replacePiece(device, name, pieces[name]);
  const mails = device.querySelector('[data-piece="mails"]');
  // A mail that is open stays open: its text never changes.
  if (mails) mergeLines(mails, parse(`<ol>${pieces.mails}</ol>`).querySelector("ol"), false, () => true);
  for (const place of device.querySelectorAll("[data-count]")) {
    place.textContent = pieces.counts[place.dataset.count] || "";
  }
  choose(device, device.dataset.line);
}

function replacePiece(device, name, html) {
  const place = device.querySelector(`[data-piece="${name}"]`);
  const known = `${device.dataset.phone} ${name}`;
  if (!place || shown.get(known) === html) return;
  shown.set(known, html);
  // Do not replace the buttons of the same call: a key may be about to be pressed.
  const focused = place.contains(document.activeElement) ? document.activeElement : null;
  const body = parse(name === "calls" ? `<ol>${html}</ol>` : html).body;
  place.replaceChildren(...(name === "calls" ? body.querySelector("ol") : body).childNodes);
  if (!focused) return;
  const again = [...place.querySelectorAll("button, input")].find(
    (each) => each.name === focused.name && each.value === focused.value,
  );
  (again ?? device.querySelector("textarea"))?.focus();
}

function mergeThreads(device, fresh) {
  const place = device.querySelector('[data-piece="threads"]');
  for (const section of [...fresh.children]) {
    const { line } = section.dataset;
    const known = threads(device).find((each) => each.dataset.line === line);
    if (!known) {
      place.append(document.adoptNode(section));
      hear(device, line);
      continue;
    }
    const head = known.querySelector(".thread-head");
    const freshHead = section.querySelector(".thread-head");
    if (head.innerHTML !== freshHead.innerHTML) head.replaceWith(document.adoptNode(freshHead));
    const list = known.querySelector(".lines");
    const before = list.querySelectorAll(".theirs").length;
    if (!mergeLines(list, section.querySelector(".lines"), false)) continue;
    if (list.querySelectorAll(".theirs").length > before) hear(device, line);
    if (device.dataset.line === line || line === "") scrollDown(device);
  }
}

/** A number has sent a text. Bring its thread to the front, unless text is being typed: it must not go to another number. */
function hear(device, line) {
  if (line === "" || line === device.dataset.line) return;
  const body = device.querySelector("textarea");
  if (body && (body.value || body === document.activeElement)) {
    device.dataset.heard = `${device.dataset.heard ?? ""} ${line}`;
  } else {
    device.dataset.line = line;
  }
}

function choose(device, line) {
  const isChosen = (section) => [line, ""].includes(section.dataset.line);
  const changed = threads(device).some((section) => section.hidden === isChosen(section));
  device.dataset.line = line;
  const heard = (device.dataset.heard ?? "").split(" ").filter((each) => each && each !== line);
  device.dataset.heard = heard.join(" ");
  for (const section of threads(device)) section.hidden = !isChosen(section);
  for (const input of device.querySelectorAll('input[name="to"]')) {
    input.checked = input.value === line;
    input.parentElement.toggleAttribute("data-unread", heard.includes(input.value));
  }
  if (changed) scrollDown(device);
}

function threads(device) {
  return [...device.querySelectorAll(".thread")];
}

function scrollDown(device) {
  const scroller = device.querySelector(".panel-texts .scroller");
  scroller.scrollTop = scroller.scrollHeight;
}

async function press(device, form, digit) {
  const { secret, phone, call } = form.elements;
  try {
    const answer = await post(form, { secret: secret.value, phone: phone.value, call: call.value, digit });
    if (answer.error) return say(answer.error);
    device.querySelector(".said").textContent = answer.said;
    say("");
    return await look();
  } catch {
    return say("The key was not heard: the line could not be reached. Press it again.");
  }
}

for (const device of document.querySelectorAll("[data-phone]")) {
  if (device.querySelector("textarea")) {
    setUpCompose(device, look, {
      list: () => threads(device).find((section) => !section.hidden).querySelector(".lines"),
      extra: () => ({ to: device.dataset.line }),
      scrollDown: () => scrollDown(device),
    });
  }
  device.addEventListener("change", (event) => {
    if (event.target.name === "to") choose(device, event.target.value);
  });
  device.addEventListener("submit", (event) => {
    if (!event.target.matches("[data-press]")) return;
    event.preventDefault();
    press(device, event.target, event.submitter.value);
  });
  choose(device, device.dataset.line);
}
start(look);
