"use strict";
// Videos of a row play in step: the first one leads, and the others follow its clock.
document.documentElement.classList.add("script");
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const rows = [...document.querySelectorAll(".row")].map(element => {
  const videos = [...element.querySelectorAll("video")], leader = videos[0];
  const button = element.querySelector(".play"), slider = element.querySelector("input");
  const row = { wanted: !still, visible: false };
  const name = button.getAttribute("aria-label").replace(/^\w+ /, "");

  for (const video of videos) { video.controls = false; video.loop = false; }
  const seek = time => { for (const video of videos) video.currentTime = Math.min(time, video.duration || time); };
  row.update = () => {
    button.textContent = row.wanted ? "Pause" : "Play";
    button.setAttribute("aria-label", `${button.textContent} ${name}`);
    for (const video of videos) {
      if (row.wanted && row.visible) video.play().catch(() => {}); else video.pause();
    }
  };
  leader.addEventListener("timeupdate", () => {
    if (leader.duration) slider.value = 1000 * leader.currentTime / leader.duration;
    for (const video of videos) {
      if (Math.abs(video.currentTime - leader.currentTime) > 0.2) video.currentTime = leader.currentTime;
    }
  });
  leader.addEventListener("ended", () => { seek(0); row.update(); });
  button.addEventListener("click", () => { row.wanted = !row.wanted; row.update(); });
  slider.addEventListener("input", () => { row.wanted = false; row.update(); seek(slider.value / 1000 * leader.duration); });
  new IntersectionObserver(entries => {
    row.visible = entries[entries.length - 1].isIntersecting;
    row.update();
  }, { rootMargin: "150px" }).observe(element);
  return row;
});

const all = document.getElementById("all");
let playing = !still;
const label = () => { all.textContent = playing ? "Pause all" : "Play all"; };
label();
all.addEventListener("click", () => {
  playing = !playing;
  label();
  for (const row of rows) { row.wanted = playing; row.update(); }
});

for (const button of document.querySelectorAll(".copy")) {
  button.addEventListener("click", async () => {
    const code = button.previousElementSibling;
    try {
      await navigator.clipboard.writeText(code.textContent);
      button.textContent = "Copied";
    } catch {  // a file opened from disk may not use the clipboard: select the text instead
      getSelection().selectAllChildren(code);
      button.textContent = "Press Ctrl-C";
    }
    setTimeout(() => { button.textContent = "Copy"; }, 2000);
  });
}
