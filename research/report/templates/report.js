"use strict";

const SEEK_SECONDS = 2;
const sounds = [...document.querySelectorAll(".sound")];
const byId = (id) => document.getElementById(id);
const playerOf = (sound) => sound.querySelector("audio");
const pairOf = (sound) => sound.closest(".pair");
const pairs = [...document.querySelectorAll(".pair")];
let selected = document.querySelector(".sound[data-first]") ?? sounds[0];

/** Show the plots of a sound instead of those of the sound selected before. */
function select(sound) {
  const pair = pairOf(sound);
  if (pair !== pairOf(selected)) {
    for (const marked of pairOf(selected).querySelectorAll(".sound, [data-plays]")) {
      marked.classList.remove("selected");
    }
  }
  selected = sound;
  for (const other of pair.querySelectorAll(".sound")) {
    other.classList.toggle("selected", other === sound);
  }
  for (const element of pair.querySelectorAll("[data-plays]")) {
    element.classList.toggle("selected", element.dataset.plays === sound.id);
  }
  for (const group of pair.querySelectorAll(".of-selected")) {
    const children = [...group.children];
    const shown = children.find((child) => child.dataset.of === sound.id);
    // Content and style have no loss: the loss of the take selected before stays.
    if (shown) children.forEach((child) => { child.hidden = child !== shown; });
  }
  const ring = pair.querySelector(".ring");
  const dot = pair.querySelector(`.point[data-plays="${sound.id}"] .dot`);
  ring?.setAttribute("visibility", dot ? "visible" : "hidden");
  for (const name of ["cx", "cy"]) if (dot) ring.setAttribute(name, dot.getAttribute(name));
  fill(sound);
  const title = pairs.length > 1 ? `${pair.querySelector("h2").textContent.trim()}: ` : "";
  byId("now").textContent = title + sound.dataset.name;
  showPosition();
}

/** Copy the spectrogram of a sound to where it is shown large. The file holds it only once. */
function fill(sound) {
  const copy = pairOf(sound).querySelector(`[data-copies="${sound.id}"]`);
  copy?.replaceWith(sound.querySelector("img").cloneNode());
}

/** If the selected sound is paused and out of the window, select one of the most visible pair. */
function selectVisible() {
  const visibleHeight = (pair) => {
    const { top, bottom } = pair.getBoundingClientRect();
    return Math.min(bottom, innerHeight) - Math.max(top, 0);
  };
  if (!playerOf(selected).paused || visibleHeight(pairOf(selected)) > 0) return;
  const pair = pairs.reduce(
    (best, other) => (visibleHeight(other) > visibleHeight(best) ? other : best));
  select(pair.querySelector(".sound[data-first]"));
}

/** Go to a position in seconds, or close to the end if the sound is shorter. */
function moveTo(player, position) {
  player.currentTime = Math.max(Math.min(position, (player.duration || Infinity) - 0.05), 0);
}

/** Change to another sound, at the same position within a pair, playing if the last one was. */
function change(sound, plays = !playerOf(selected).paused) {
  const before = playerOf(selected);
  const player = playerOf(sound);
  if (sound !== selected && pairOf(sound) === pairOf(selected)) moveTo(player, before.currentTime);
  before.pause();
  select(sound);
  if (plays) player.play().catch(() => {});
}

function toggle() {
  selectVisible();
  const player = playerOf(selected);
  if (player.paused) player.play().catch(() => {});
  else player.pause();
}

function step(by) {
  selectVisible();
  const among = [...pairOf(selected).querySelectorAll(".sound")];
  change(among[(among.indexOf(selected) + by + among.length) % among.length]);
}

/** Move so many seconds within the selected sound. */
function seek(by) {
  selectVisible();
  moveTo(playerOf(selected), playerOf(selected).currentTime + by);
}

function showPosition() {
  const { currentTime, duration, paused } = playerOf(selected);
  const fraction = duration ? currentTime / duration : 0;
  pairOf(selected).style.setProperty("--at", fraction.toFixed(5));
  const minutes = Math.floor(currentTime / 60);
  const seconds = (Math.floor(10 * (currentTime % 60)) / 10).toFixed(1).padStart(4, "0");
  byId("clock").textContent = `${minutes}:${seconds}`;
  byId("play").textContent = paused ? "Play" : "Pause";
}

let frame = 0;

function follow() {
  showPosition();
  cancelAnimationFrame(frame);
  if (!playerOf(selected).paused) frame = requestAnimationFrame(follow);
}

for (const sound of sounds) {
  const player = playerOf(sound);
  player.addEventListener("play", () => {
    for (const other of sounds) if (other !== sound) playerOf(other).pause();
    if (sound !== selected) select(sound);
    follow();
  });
  for (const event of ["pause", "seeking", "loadedmetadata"]) {
    player.addEventListener(event, () => { if (sound === selected) showPosition(); });
  }
}

for (const button of document.querySelectorAll("button[data-plays]")) {
  button.addEventListener("click", () => change(byId(button.dataset.plays), true));
}

for (const area of document.querySelectorAll(".seeks")) {
  area.addEventListener("click", (event) => {
    const sound = byId(area.closest("[data-of]")?.dataset.of ?? area.closest(".sound").id);
    if (sound !== selected) change(sound);
    const { left, width } = area.getBoundingClientRect();
    const player = playerOf(sound);
    if (player.duration) player.currentTime = player.duration * (event.clientX - left) / width;
  });
}

// Points may overlap: a click plays the nearest one within 24 pixels.
for (const plot of document.querySelectorAll(".trade svg")) {
  plot.addEventListener("click", (event) => {
    let nearest = null;
    let reach = 24;
    for (const point of plot.querySelectorAll(".point")) {
      const { left, top, width, height } = point.getBoundingClientRect();
      const distance = Math.hypot(event.clientX - left - width / 2, event.clientY - top - height / 2);
      if (distance < reach) [nearest, reach] = [point, distance];
    }
    if (nearest) change(byId(nearest.dataset.plays), true);
  });
}

byId("play").addEventListener("click", toggle);
byId("previous").addEventListener("click", () => step(-1));
byId("next").addEventListener("click", () => step(1));

/** The action of a key, null with another modifier or where the key does something else. */
function actionOf(event) {
  const { key, target, shiftKey } = event;
  const by = { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (event.altKey || event.ctrlKey || event.metaKey || (shiftKey && !by)) return null;
  if (target.closest("input, textarea, select, [contenteditable]")) return null;
  if (key === " ") return target.closest("summary") ? null : toggle;
  if (target.matches(".scrolls, pre")) return null;  // These scroll.
  if (by) return shiftKey ? () => seek(by * SEEK_SECONDS) : () => step(by);
  if (key === "Enter" && target.closest(".point")) {
    return () => change(byId(target.closest(".point").dataset.plays), true);
  }
  return null;
}

// Capture keys before a focused player or button acts on them. Some act on keyup.
for (const kind of ["keydown", "keyup"]) {
  window.addEventListener(kind, (event) => {
    const action = actionOf(event);
    if (!action) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    // A key that is held goes on seeking, and does nothing else again.
    if (kind === "keydown" && (!event.repeat || event.shiftKey)) action();
  }, true);
}

document.querySelectorAll(".sound[data-first]").forEach(fill);
select(selected);
