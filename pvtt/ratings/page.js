"use strict";
// What all pages of judging share: who it is, the queue, the way through it, and saving. A page says what is its own in
// `task`: the field of an answer, where it is sent, how an item is shown and marked, and which keys answer.
const fixedRater = __RATER__;
const $ = id => document.getElementById(id);
let rater = null, queue = [], place = 0, saving = false;

function show(id) { for (const part of ["who", "rate", "done"]) $(part).hidden = part !== id; }
function complain(text) { $("error").textContent = text; }

async function ask(path, options) {
  let answer;
  try { answer = await fetch(path, options); }
  catch { throw new Error("The server does not answer: is `pvtt rate` still running? Nothing was saved by this click."); }
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error);
  return data;
}

async function start(name) {
  try {
    queue = await ask("/api/queue?rater=" + encodeURIComponent(name));
    rater = name;
    complain("");
    const open = queue.findIndex(item => item[task.field] === null);
    if (open < 0) show("done"); else go(open);
  } catch (error) { show("who"); complain(error.message); }
}

function go(to) {
  place = Math.max(0, Math.min(queue.length - 1, to));
  const item = queue[place];
  show("rate");
  task.show(item);
  $("photos").replaceChildren(...Array.from({ length: item.photos }, (_, number) => {
    const image = new Image();
    image.src = `/photo/${item.token}/${number}`;
    image.alt = `Photo ${number + 1} of the product`;
    return image;
  }));
  draw();
}

function draw() {
  const item = queue[place], rated = queue.filter(one => one[task.field] !== null).length;
  task.mark(item[task.field]);
  const bar = document.querySelector(".bar");
  bar.setAttribute("aria-valuemax", queue.length);
  bar.setAttribute("aria-valuenow", rated);
  bar.firstElementChild.style.width = 100 * rated / queue.length + "%";
  $("place").textContent = `${task.noun} ${place + 1} of ${queue.length}, ${rated} rated`;
  $("back").disabled = place === 0;
  $("forth").disabled = place === queue.length - 1;
}

async function rate(answer) {
  if (saving || $("rate").hidden) return;
  saving = true;
  const item = queue[place];
  try {
    await ask(task.post, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ rater, token: item.token, [task.field]: answer }),
    });
    item[task.field] = answer;
    complain("");
    draw();
    const rest = [...queue.keys()].filter(index => queue[index][task.field] === null);
    const next = rest.find(index => index > place) ?? rest[0];
    setTimeout(() => { saving = false; if (next === undefined) show("done"); else go(next); }, 250);
  } catch (error) { saving = false; complain(error.message); }
}

$("who").onsubmit = event => { event.preventDefault(); start($("name").value.trim()); };
$("back").onclick = () => go(place - 1);
$("forth").onclick = () => go(place + 1);
$("again").onclick = () => go(0);
addEventListener("keydown", event => {
  if (event.target.tagName === "INPUT" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === " " && event.target.tagName !== "BUTTON" && event.target.tagName !== "VIDEO") {
    event.preventDefault();
    const videos = [...document.querySelectorAll("video")], paused = videos.some(video => video.paused);
    for (const video of videos) if (paused) video.play(); else video.pause();
  } else if (!$("rate").hidden && task.key(event.key)) event.preventDefault();
});
if (fixedRater !== null) start(fixedRater); else show("who");
