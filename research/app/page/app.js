"use strict";

const byId = (id) => document.getElementById(id);
const slots = [...document.querySelectorAll(".slot")];
const player = new Audio();
let opened = null;  // Id of the take whose page is shown.
let timer = 0;
let most = Infinity;  // Size of a recording, MB.

/** Ask the server; the JSON of its answer. What it refuses is an Error with its one line. */
async function ask(path, options = {}) {
  let response;
  try {
    response = await fetch(path, options);
  } catch {
    throw new Error("The program does not answer; start it again, then reload the page.");
  }
  const text = await response.text();
  if (response.ok) return text ? JSON.parse(text) : null;
  let reason = `The program refuses it (${response.status}).`;
  try { reason = JSON.parse(text).error; } catch { /* Not from the program. */ }
  throw new Error(reason);
}

const messageOf = (slot) => slot.querySelector(".message");

/** Send a file, then choose it. */
async function send(slot, file, name) {
  const message = messageOf(slot);
  if (file.size > 1e6 * most) {
    message.textContent = `${name} has more than ${most} MB; give a shorter one, or start with a higher --upload_mb`;
    return;
  }
  message.textContent = `Reading ${name} …`;
  try {
    const sound = await ask(`sounds?name=${encodeURIComponent(name)}`, { method: "PUT", body: file });
    await refresh();
    for (const input of slot.querySelectorAll(".recordings input")) {
      if (input.value === sound.id || input.type === "checkbox" && input.dataset.shipped) {
        input.checked = input.value === sound.id;
      }
    }
    message.textContent = "";
  } catch (error) {
    message.textContent = error.message;
  }
}

async function sendAll(slot, files) {
  for (const file of files) await send(slot, file, file.name);
}

for (const slot of slots) {
  const input = slot.querySelector("input[type=file]");
  input.addEventListener("change", () => {
    const files = [...input.files];
    input.value = "";
    sendAll(slot, files);
  });
  for (const kind of ["dragenter", "dragover"]) {
    slot.addEventListener(kind, (event) => { event.preventDefault(); slot.classList.add("over"); });
  }
  slot.addEventListener("dragleave", () => slot.classList.remove("over"));
  slot.addEventListener("drop", (event) => {
    event.preventDefault();
    slot.classList.remove("over");
    sendAll(slot, slot.dataset.role === "content" ? [event.dataTransfer.files[0]].filter(Boolean) : [...event.dataTransfer.files]);
  });
  slot.querySelector(".record").addEventListener("click", (event) => record(slot, event.target));
}

/** Record from the microphone until the button is pressed again. */
async function record(slot, button) {
  if (button.recorder) return button.recorder.stop();
  try {
    const stream = await navigator.mediaDevices.getUserMedia({
      audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
    });
    const recorder = new MediaRecorder(stream);
    const parts = [];
    recorder.addEventListener("dataavailable", (event) => parts.push(event.data));
    recorder.addEventListener("stop", () => {
      stream.getTracks().forEach((track) => track.stop());
      button.recorder = null;
      button.textContent = "Record";
      button.classList.remove("recording-now");
      const time = new Date().toTimeString().slice(0, 8).replaceAll(":", ".");
      send(slot, new Blob(parts, { type: recorder.mimeType }), `Recording ${time}`);
    });
    recorder.start();
    button.recorder = recorder;
    button.textContent = "Stop";
    button.classList.add("recording-now");
  } catch (error) {
    messageOf(slot).textContent = `No microphone: ${error.message}`;
  }
}

for (const name of ["amount", "dynamics"]) {
  byId(name).addEventListener("input", () => { byId(`${name}-value`).textContent = byId(name).value; });
}

byId("form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const chosen = (role) =>
    [...document.querySelectorAll(`[data-role=${role}] .recordings input:checked`)].map((input) => input.value);
  const body = JSON.stringify({
    content: chosen("content")[0],
    styles: chosen("style"),
    preset: byId("preset").value,
    changes: {
      style_amount: byId("amount").valueAsNumber,
      keep_rests: byId("keep_rests").checked,
      dynamics: byId("dynamics").valueAsNumber,
      seed: byId("seed").valueAsNumber,
    },
  });
  try {
    await ask("takes", { method: "PUT", body });
    byId("form-message").textContent = "";
  } catch (error) {
    byId("form-message").textContent = error.message;
  }
  refresh();
});

const time = (seconds) => `${Math.floor(seconds / 60)}:${String(Math.floor(seconds % 60)).padStart(2, "0")}`;

const SHIPPED = { content: "piano", style: "band" };  // Chosen at first.

function showRecordings(sounds) {
  for (const slot of slots) {
    const list = slot.querySelector(".recordings");
    const role = slot.dataset.role;
    for (const sound of sounds) {
      if (list.querySelector(`[value="${sound.id}"]`)) continue;
      const item = byId("recording").content.firstElementChild.cloneNode(true);
      const input = item.querySelector("input");
      input.type = role === "content" ? "radio" : "checkbox";
      input.name = role;
      input.value = sound.id;
      if (Object.values(SHIPPED).includes(sound.id)) input.dataset.shipped = "yes";
      input.checked = sound.id === SHIPPED[role];
      item.querySelector(".name").textContent = sound.name;
      item.querySelector("small").textContent = time(sound.seconds);
      const button = item.querySelector(".play");
      button.setAttribute("aria-label", `Play ${sound.name}`);
      button.addEventListener("click", () => listen(sound.id));
      list.prepend(item);
    }
  }
}

/** Play a recording, or stop it. */
function listen(id) {
  const address = `sounds/${id}`;
  if (!player.paused && player.dataset.id === id) return player.pause();
  player.dataset.id = id;
  player.dataset.kind = "";
  player.src = address;
  player.play().catch(() => {});
}

const WORDS = { default: "instruments", combined: "instruments and texture", texture: "colour and texture" };

function statusOf(take) {
  if (take.status === "failed") return take.reason;
  if (take.status !== "running") return { queued: "waiting", done: "", cancelled: "cancelled" }[take.status];
  const left = take.seconds_left === null ? "" : `, ${time(take.seconds_left)} left`;
  const heard = take.previews && !take.has_output ? "; this is what it has so far" : "";
  return `${take.stage}${left}${heard}`;
}

function showTakes(takes, names) {
  const list = byId("takes");
  byId("none").hidden = takes.length > 0;
  const ids = new Set(takes.map((take) => take.id));
  for (const item of [...list.children]) {
    if (!ids.has(item.dataset.id)) {
      item.remove();
      if (opened === item.dataset.id) open(null);
    }
  }
  takes.forEach((take, index) => {
    let item = list.querySelector(`[data-id="${take.id}"]`);
    if (!item) {
      item = byId("take").content.firstElementChild.cloneNode(true);
      item.dataset.id = take.id;
      const name = (id) => names[id] ?? "a recording that is gone";
      const { style_amount: amount, seed } = take.changes;
      item.querySelector("h3").textContent = `${name(take.content)} as ${take.styles.map(name).join(" and ")}`;
      item.querySelector(".settings-line").textContent =
        `${WORDS[take.preset] ?? take.preset}, amount ${amount ?? 1}${seed ? `, seed ${seed}` : ""}`;
      item.querySelector(".open").addEventListener("click", () => open(take.id));
      item.querySelector(".download").href = `takes/${take.id}/output.wav?download`;
      item.querySelector(".remove").addEventListener("click", async () => {
        await ask(`takes/${take.id}?was=${item.dataset.status}`, { method: "DELETE" }).catch(() => {});
        refresh();
      });
      item.querySelector(".blind").addEventListener("click", () => {
        startBlind(take.id, item.querySelector(".against").value);
      });
      list.insertBefore(item, list.children[index] ?? null);
    }
    item.className = `take ${take.status}${opened === take.id ? " open" : ""}`;
    item.dataset.status = take.status;
    const running = take.status === "running" || take.status === "queued";
    const status = item.querySelector(".status");
    const text = statusOf(take);
    if (status.textContent !== text) status.textContent = text;
    status.hidden = !text;
    const progress = item.querySelector("progress");
    progress.hidden = take.status !== "running";
    if (take.total && !take.has_output) progress.value = take.done / take.total;
    else progress.removeAttribute("value");
    const audio = item.querySelector("audio");
    const source = take.has_output ? "output.wav" : take.previews && running ? `preview.wav?${take.previews}` : "";
    audio.hidden = !source;
    if (source && audio.dataset.source !== source) {
      const [at, plays] = [audio.currentTime, !audio.paused];
      audio.dataset.source = source;
      audio.src = `takes/${take.id}/${source}`;
      if (at) audio.currentTime = at;
      if (plays) audio.play().catch(() => {});
    }
    item.querySelector(".open").hidden = take.status !== "done";
    showOpponents(item, take, takes);
    item.querySelector(".download").hidden = !take.has_output;
    item.querySelector(".remove").textContent = running ? "Cancel" : "Remove";
    if (take.genre && !item.querySelector(".genre")) {
      const genre = document.createElement("span");
      genre.className = "genre note";
      genre.textContent = `sounds like ${take.genre}`;
      item.querySelector(".actions").append(genre);
    }
  });
}

/** What a finished take can be compared with: other takes of the same recordings. */
function showOpponents(item, take, takes) {
  const same = (other) => other.content === take.content && String(other.styles) === String(take.styles);
  const others = takes.filter((other) => other.id !== take.id && other.status === "done" && same(other));
  const choices = others.map((other) => [other.id, `take ${Number(other.id)}`]);
  if (take.styles.length === 1) choices.unshift(["equaliser", "a fixed equaliser"]);
  const select = item.querySelector(".against");
  for (const part of [select, item.querySelector(".blind")]) {
    part.hidden = take.status !== "done" || choices.length === 0;
  }
  if (select.dataset.choices === String(choices)) return;
  select.dataset.choices = choices;
  const chosen = select.value;
  select.replaceChildren(...choices.map(([id, text]) => new Option(text, id)));
  if (choices.some(([id]) => id === chosen)) select.value = chosen;
}

let trial = null;  // The blind comparison that goes on.

for (const row of document.querySelectorAll("[data-question]")) {
  for (const [value, text] of [["a", "A"], ["b", "B"], ["same", "no difference"]]) {
    const label = document.createElement("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: row.dataset.question, value, required: true });
    label.append(input, ` ${text}`);
    row.append(label);
  }
}

async function startBlind(take, against) {
  const message = document.querySelector("#vote .message");
  byId("blind").hidden = false;
  byId("blind").scrollIntoView({ behavior: "smooth" });
  byId("vote").reset();
  trial = null;
  try {
    trial = await ask("blind", { method: "PUT", body: JSON.stringify({ take, against }) });
    message.textContent = "";
    delete player.dataset.id;
    player.dataset.kind = "";
    playOfTrial("a", false);
  } catch (error) {
    message.textContent = error.message;
  }
}

/** A key by which votes of one browser are known to be of one listener. */
function listener() {
  const key = "listener";
  try {
    if (!localStorage.getItem(key)) localStorage.setItem(key, Math.random().toString(36).slice(2, 14));
    return localStorage.getItem(key);
  } catch {
    return "";  // A browser may keep nothing.
  }
}

/** Play a sound of the blind comparison; A and B go on at the same position. */
function playOfTrial(kind, plays = true) {
  if (!trial) return;
  const address = { content: `sounds/${trial.content}`, style: `sounds/${trial.styles[0]}` }[kind] ?? `blind/${trial.id}/${kind}`;
  const keeps = kind !== "style" && player.dataset.kind && player.dataset.kind !== "style" && !player.ended;
  const at = keeps ? player.currentTime : 0;
  player.src = player.dataset.id = address;
  player.dataset.kind = kind;
  player.currentTime = at;
  for (const audio of document.querySelectorAll("audio")) audio.pause();
  if (plays) player.play().catch(() => {});
  for (const button of document.querySelectorAll("#blind [data-plays]")) {
    button.classList.toggle("selected", plays && button.dataset.plays === kind);
    button.setAttribute("aria-pressed", plays && button.dataset.plays === kind);
  }
}

for (const button of document.querySelectorAll("#blind [data-plays]")) {
  button.addEventListener("click", () => playOfTrial(button.dataset.plays));
}
byId("pause").addEventListener("click", () => player.pause());

byId("vote").addEventListener("submit", async (event) => {
  event.preventDefault();
  const message = document.querySelector("#vote .message");
  if (!trial) {
    message.textContent = "Choose what to compare at a take.";
    return;
  }
  const answers = { ...Object.fromEntries(new FormData(byId("vote"))), listener: listener() };
  const button = document.querySelector("#vote button");
  button.disabled = true;
  try {
    const told = await ask(`blind/${trial.id}`, { method: "PUT", body: JSON.stringify(answers) });
    trial = null;
    player.pause();
    message.textContent = `A was: ${told.a}. B was: ${told.b}. Votes so far: ${told.votes}.`;
  } catch (error) {
    message.textContent = error.message;
  }
  button.disabled = false;
});

/** Show the page of a take, or none. */
function open(id) {
  opened = id;
  byId("listening").hidden = id === null;
  if (id !== null) {
    byId("report").src = `takes/${id}/report.html`;
    byId("listening").scrollIntoView({ behavior: "smooth" });
  } else byId("report").removeAttribute("src");
  for (const item of byId("takes").children) item.classList.toggle("open", item.dataset.id === id);
}

/** Show the state of the server, again soon while something is made. */
async function refresh() {
  clearTimeout(timer);
  let wait = 2000;
  try {
    const { sounds, takes, upload_mb } = await ask("state");
    most = upload_mb;
    const names = Object.fromEntries(sounds.map((sound) => [sound.id, sound.name]));
    showRecordings(sounds);
    showTakes(takes, names);
    if (takes.some((take) => take.status === "queued" || take.status === "running")) wait = 400;
    if (byId("form-message").dataset.lost) byId("form-message").textContent = "";
    delete byId("form-message").dataset.lost;
  } catch (error) {
    byId("form-message").textContent = error.message;
    byId("form-message").dataset.lost = "yes";
  }
  clearTimeout(timer);
  timer = setTimeout(refresh, wait);
}

refresh();
