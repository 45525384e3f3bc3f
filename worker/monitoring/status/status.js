// Keeps the status page up to date: fetches the page again and copies what has changed, so that focus, selection and
// opened details stay. Only the server renders.
"use strict";

const PERIOD_MS = 2000;
const ANSWER_LIMIT_MS = 5000;

const main = document.querySelector("main");
const notice = document.getElementById("notice");
const pause = document.getElementById("pause");
let paused = false;
let timer = 0;

function update(old, latest) {
  if (old.nodeName !== latest.nodeName) {
    old.replaceWith(document.importNode(latest, true));
  } else if (old.nodeType === Node.ELEMENT_NODE) {
    updateAttributes(old, latest);
    updateChildren(old, latest);
  } else if (old.data !== latest.data) {
    old.data = latest.data;
  }
}

function updateAttributes(old, latest) {
  const opened = old.nodeName === "DETAILS" ? ["open"] : []; // the reader's choice
  for (const name of old.getAttributeNames()) {
    if (!latest.hasAttribute(name) && !opened.includes(name)) old.removeAttribute(name);
  }
  for (const name of latest.getAttributeNames()) {
    const value = latest.getAttribute(name);
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function updateChildren(old, latest) {
  const pairs = Math.min(old.childNodes.length, latest.childNodes.length);
  const added = [...latest.childNodes].slice(pairs);
  while (old.childNodes.length > pairs) old.lastChild.remove();
  [...old.childNodes].forEach((child, index) => update(child, latest.childNodes[index]));
  old.append(...added.map((child) => document.importNode(child, true)));
}

function notify(text) {
  if (notice.textContent !== text) notice.textContent = text;
  main.classList.toggle("old", text !== "");
}

async function refresh() {
  try {
    const answer = await fetch("./", { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    if (!answer.ok) throw new Error(answer.statusText);
    const latest = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = latest.title;
    update(main, latest.querySelector("main"));
    notify("");
  } catch {
    if (!main.classList.contains("old")) {
      notify(`No answer since ${new Date().toLocaleTimeString()}. The page shows the last answer.`);
    }
  }
}

async function keepRefreshing() {
  clearTimeout(timer);
  if (!paused && !document.hidden) await refresh();
  clearTimeout(timer);
  timer = setTimeout(keepRefreshing, PERIOD_MS);
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  if (!paused) keepRefreshing();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) keepRefreshing();
});
pause.hidden = false;
timer = setTimeout(keepRefreshing, PERIOD_MS);
