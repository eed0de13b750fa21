/** Alerts the social worker when a person needs an answer: a count in the title, a line for screen readers, and, if
    switched on, a sound and a notification. Never with a name or a person's text: others may see the screen. */

const KEYS = { sound: "warmline.sound", notify: "warmline.notices" };
let audio = null;

function isOn(name) {
  try {
    return localStorage.getItem(KEYS[name]) === "on";
  } catch {
    return false;
  }
}

function set(name, on) {
  try {
    localStorage.setItem(KEYS[name], on ? "on" : "off");
  } catch {
    // Without storage the setting is lost and must be switched on again next time.
  }
}

/** Two soft tones. Browsers allow sound only after a user gesture, so the switch itself starts the audio. */
function beep() {
  audio ??= new AudioContext();
  for (const [at, pitch] of [[0, 660], [0.18, 880]]) {
    const tone = audio.createOscillator();
    const volume = audio.createGain();
    const begins = audio.currentTime + at;
    tone.frequency.value = pitch;
    volume.gain.setValueAtTime(0.0001, begins);
    volume.gain.exponentialRampToValueAtTime(0.2, begins + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.0001, begins + 0.16);
    tone.connect(volume).connect(audio.destination);
    tone.start(begins);
    tone.stop(begins + 0.17);
  }
}

function notify(text) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  const notice = new Notification("Warmline", { body: text, tag: "warmline" });
  notice.onclick = () => window.focus();
}

function showSwitch(button, on) {
  button.setAttribute("aria-pressed", String(on));
}

async function press(button) {
  const name = button.dataset.switch;
  let on = button.getAttribute("aria-pressed") !== "true";
  if (on && name === "notify") on = "Notification" in window && (await Notification.requestPermission()) === "granted";
  set(name, on);
  showSwitch(button, on);
  if (on && name === "sound") beep();
}

/** `waiting`: ids that the page already shows. `show` takes [[id, urgency], ...] and returns the line to announce, or "". */
export function setUpCalls(waiting) {
  let known = new Set((waiting ?? "").split(" ").filter(Boolean).map(Number));
  for (const button of document.querySelectorAll("[data-switch]")) {
    showSwitch(button, isOn(button.dataset.switch));
    button.addEventListener("click", () => press(button));
  }
  return {
    show(rows) {
      const fresh = rows.filter(([id]) => !known.has(id));
      known = new Set(rows.map(([id]) => id));
      if (fresh.length === 0) return "";
      const text = `Someone needs an answer. Urgency: ${fresh[0][1].toLowerCase()}`;
      if (isOn("sound")) beep();
      if (isOn("notify")) notify(text);
      return text;
    },
  };
}
