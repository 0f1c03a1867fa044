// Keys of the desk, and the count of what is selected. Everything works without it, by mouse and by form.
"use strict";

const decide = () => document.getElementById("decide");
const items = () => [...document.querySelectorAll("li[data-item]")];
let sent = false;

function press(form, action) {
  if (!form || sent) return;
  const button = form.querySelector(`button[name=action][value=${action}]`);
  if (button) {
    sent = true;
    form.requestSubmit(button);
  }
}

function submit(id) {
  const form = document.getElementById(id);
  if (form && !sent) {
    sent = true;
    form.requestSubmit();
  }
}

function here() {
  return document.querySelector("li.here");
}

function move(step) {
  const all = items();
  if (!all.length) return;
  const now = all.indexOf(here());
  const next = all[Math.min(all.length - 1, Math.max(0, now < 0 ? 0 : now + step))];
  all.forEach((item) => item.classList.toggle("here", item === next));
  next.querySelector("a").focus({ preventScroll: true });
  next.scrollIntoView({ block: "nearest" });
}

function count() {
  const place = document.getElementById("selected");
  if (place) place.textContent = document.querySelectorAll("input[name=item]:checked").length;
}

function onList(action) {
  const form = document.getElementById("bulk");
  if (!form) return;
  if (!document.querySelector("input[name=item]:checked")) {
    const box = here()?.querySelector("input[name=item]");
    if (!box) return;
    box.checked = true;
  }
  press(form, action);
}

function act(action) {
  if (decide()) press(decide(), action);
  else if (action === "skip") submit("start");
  else onList(action);
}

function reject() {
  const reason = document.getElementById("reason") || document.getElementById("bulk-reason");
  if (decide() || here() || document.querySelector("input[name=item]:checked")) reason?.focus();
}

const KEYS = {
  a: () => act("approve"),
  r: reject,
  e: () => act("escalate"),
  s: () => act("skip"),
  u: () => submit("undo"),
  j: () => move(1),
  k: () => move(-1),
  x: () => here()?.querySelector("input[name=item]").click(),
  n: () => submit("start"),
  "?": () => {
    const keys = document.getElementById("keys");
    if (!keys) return;
    keys.open = !keys.open;
    keys.querySelector("summary").focus();
  },
};

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const at = event.target;
  if (at.matches("select[name=reason]")) {
    if (event.key === "Enter") {
      event.preventDefault();
      decide() ? press(decide(), "reject") : onList("reject");
    } else if (event.key === "Escape") at.blur();
    return;
  }
  if (at.matches("textarea, select, input:not([type=checkbox])")) {
    if (event.key === "Escape") at.blur();
    return;
  }
  const run = KEYS[event.key];
  if (run) {
    event.preventDefault();
    run();
  }
});

addEventListener("change", (event) => {
  if (event.target.matches("input[name=item]")) count();
});

addEventListener("click", (event) => {
  if (event.target.id !== "all") return;
  document.querySelectorAll("input[name=item]").forEach((box) => (box.checked = true));
  count();
});

addEventListener("pageshow", () => {
  sent = false;
  count();
});

const LIKELY = [[0.85, "very likely"], [0.6, "likely"], [0.3, "possible"], [0, "unlikely"]];

addEventListener("input", (event) => {
  const place = document.getElementById(event.target.dataset.output || "");
  if (!place) return;
  const value = Number(event.target.value);
  const words = LIKELY.find(([least]) => value >= least)[1];
  place.textContent = `${words} (${Math.round(100 * value)} of 100)`;
});
