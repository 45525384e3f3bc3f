// Keeps the status page up to date: asks the server for the page again and carries over what has changed,
// so that focus, selection and opened details stay. There is one renderer, and it is the server's.
"use strict";

const PERIOD_MS = 2000;
const ANSWER_LIMIT_MS = 5000;

const main = document.querySelector("main");
const notice = document.getElementById("notice");
const pause = document.getElementById("pause");
let paused = false;
let timer = 0;

function carryOver(old, fresh) {
  if (old.nodeName !== fresh.nodeName) {
    old.replaceWith(document.importNode(fresh, true));
  } else if (old.nodeType === Node.ELEMENT_NODE) {
    carryOverAttributes(old, fresh);
    carryOverChildren(old, fresh);
  } else if (old.data !== fresh.data) {
    old.data = fresh.data;
  }
}

function carryOverAttributes(old, fresh) {
  const opened = old.nodeName === "DETAILS" ? ["open"] : []; // the reader's choice
  for (const name of old.getAttributeNames()) {
    if (!fresh.hasAttribute(name) && !opened.includes(name)) old.removeAttribute(name);
  }
  for (const name of fresh.getAttributeNames()) {
    const value = fresh.getAttribute(name);
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
}

function carryOverChildren(old, fresh) {
  const pairs = Math.min(old.childNodes.length, fresh.childNodes.length);
  const added = [...fresh.childNodes].slice(pairs);
  while (old.childNodes.length > pairs) old.lastChild.remove();
  [...old.childNodes].forEach((child, index) => carryOver(child, fresh.childNodes[index]));
  old.append(...added.map((child) => document.importNode(child, true)));
}

function say(text) {
  if (notice.textContent !== text) notice.textContent = text;
  main.classList.toggle("old", text !== "");
}

async function look() {
  try {
    const answer = await fetch("./", { signal: AbortSignal.timeout(ANSWER_LIMIT_MS) });
    if (!answer.ok) throw new Error(answer.statusText);
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    document.title = fresh.title;
    carryOver(main, fresh.querySelector("main"));
    say("");
  } catch {
    if (!main.classList.contains("old")) {
      say(`No answer since ${new Date().toLocaleTimeString()}: this is how it was.`);
    }
  }
}

async function keepLooking() {
  clearTimeout(timer);
  if (!paused && !document.hidden) await look();
  clearTimeout(timer);
  timer = setTimeout(keepLooking, PERIOD_MS);
}

pause.addEventListener("click", () => {
  paused = !paused;
  pause.setAttribute("aria-pressed", String(paused));
  if (!paused) keepLooking();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) keepLooking();
});
pause.hidden = false;
timer = setTimeout(keepLooking, PERIOD_MS);
