"use strict";
// Two elements of the page. <pvtt-compare>: template and film in one picture, with a slider between them.
// <pvtt-place>: a frame in which a box or a point is drawn; the field of the page whose id is `data-field` has it.

(() => {
  const make = (tag, attributes = {}, parent = null) => {
    const element = Object.assign(document.createElement(tag), attributes);
    if (parent) parent.append(element);
    return element;
  };
  const numbers = (text) => (text || "").split(",").map((part) => part.trim()).filter(Boolean).map(Number);

  class Compare extends HTMLElement {
    // data-video or data-image: where; data-boxes: x,y,w,h of the template's picture and of the film's in it; without
    // boxes, two halves with a line of `data-line` pixels between.
    connectedCallback() {
      if (this.canvas) return;
      const stage = make("div", { className: "stage" }, this);
      this.canvas = make("canvas", {}, stage);
      stage.append(make("span", { className: "side left", textContent: "template" }));
      stage.append(make("span", { className: "side right", textContent: this.dataset.name || "new" }));
      this.range = make("input", { type: "range", min: 0, max: 1000, value: 500, className: "cut" }, this);
      this.range.setAttribute("aria-label", "How much of the template is shown");
      this.range.addEventListener("input", () => this.draw());
      const follow = (event) => {
        if (event.type === "pointermove" && !event.buttons) return;
        const area = this.canvas.getBoundingClientRect();
        this.range.value = Math.round((1000 * (event.clientX - area.left)) / area.width);
        this.draw();
      };
      this.canvas.addEventListener("pointerdown", follow);
      this.canvas.addEventListener("pointermove", follow);
      if (this.dataset.video) this.play(); else this.show();
    }

    disconnectedCallback() {
      if (this.source && this.source.pause) this.source.pause();
    }

    show() {
      this.source = make("img", { src: this.dataset.image, alt: "" });
      this.source.addEventListener("load", () => this.measure(this.source.naturalWidth, this.source.naturalHeight));
    }

    play() {
      const video = make("video", { src: this.dataset.video, muted: true, loop: true, autoplay: true, playsInline: true });
      this.source = video;
      const bar = make("div", { className: "bar" }, this);
      const button = make("button", { type: "button", textContent: "Pause" }, bar);
      const time = make("input", { type: "range", min: 0, max: 1000, value: 0 }, bar);
      time.setAttribute("aria-label", "Time in the film");
      const sound = make("button", { type: "button", textContent: "Sound on" }, bar);
      button.addEventListener("click", () => (video.paused ? video.play() : video.pause()));
      sound.addEventListener("click", () => {
        video.muted = !video.muted;
        sound.textContent = video.muted ? "Sound on" : "Sound off";
      });
      time.addEventListener("input", () => (video.currentTime = (time.value / 1000) * video.duration));
      video.addEventListener("timeupdate", () => (time.value = (1000 * video.currentTime) / video.duration || 0));
      for (const kind of ["play", "pause"]) {
        video.addEventListener(kind, () => (button.textContent = video.paused ? "Play" : "Pause"));
      }
      video.addEventListener("loadeddata", () => this.measure(video.videoWidth, video.videoHeight));
      video.addEventListener("error", () => (this.textContent = "This browser cannot play the film: open the file."));
      const each = () => {
        this.draw();
        if (this.isConnected) video.requestVideoFrameCallback(each);
      };
      if (video.requestVideoFrameCallback) video.requestVideoFrameCallback(each);
      else setInterval(() => this.draw(), 40);
    }

    measure(width, height) {
      const given = numbers(this.dataset.boxes);
      const half = (width - Number(this.dataset.line || 0)) / 2;
      this.boxes = given.length === 8
        ? [given.slice(0, 4), given.slice(4)]
        : [[0, 0, half, height], [width - half, 0, half, height]];
      [this.canvas.width, this.canvas.height] = this.boxes[1].slice(2);
      this.style.width = `min(100%, 46rem, ${(75 * this.canvas.width) / this.canvas.height}vh)`;
      this.draw();
      this.dataset.ready = "yes";
    }

    draw() {
      if (!this.boxes) return;
      const { width, height } = this.canvas;
      const cut = Math.round((width * this.range.value) / 1000);
      const context = this.canvas.getContext("2d");
      const [old, made] = this.boxes;
      context.drawImage(this.source, ...made, 0, 0, width, height);
      if (cut > 0) context.drawImage(this.source, old[0], old[1], (old[2] * cut) / width, old[3], 0, 0, cut, height);
      context.fillStyle = "#fff";
      const line = Math.max(1, width / 360);
      context.fillRect(cut - line / 2, 0, line, height);
    }
  }

  class Place extends HTMLElement {
    // data-image: the frame; data-size: its width and height in the film's pixels.
    connectedCallback() {
      if (this.box) return;
      const stage = make("div", { className: "stage" }, this);
      this.image = make("img", { src: this.dataset.image, alt: "The shot's first frame", draggable: false }, stage);
      this.box = make("div", { className: "box" }, stage);
      this.dot = make("div", { className: "dot" }, stage);
      [this.width, this.height] = numbers(this.dataset.size);
      stage.addEventListener("pointerdown", (event) => this.begin(event, stage));
      this.listener = (event) => event.target === this.field && this.draw(numbers(this.field.value));
      document.addEventListener("input", this.listener);
      this.draw(numbers(this.dataset.value));
    }

    disconnectedCallback() {
      document.removeEventListener("input", this.listener);
    }

    get field() { // the page may make it after this element
      return document.querySelector(`#${this.dataset.field} textarea, #${this.dataset.field} input`);
    }

    at(event) {
      const area = this.image.getBoundingClientRect();
      const inside = (share, whole) => Math.round(Math.min(1, Math.max(0, share)) * whole);
      return [
        Math.min(this.width - 1, inside((event.clientX - area.left) / area.width, this.width)),
        Math.min(this.height - 1, inside((event.clientY - area.top) / area.height, this.height)),
      ];
    }

    begin(event, stage) {
      event.preventDefault();
      stage.setPointerCapture(event.pointerId);
      const from = this.at(event);
      const [x, y, w, h] = this.value.length === 4 ? this.value : [0, 0, -1, -1];
      const moves = from[0] >= x && from[0] <= x + w && from[1] >= y && from[1] <= y + h;
      const least = Math.max(3, this.width / 100);
      const move = (next) => {
        const to = this.at(next);
        if (moves) {
          const left = Math.min(this.width - w, Math.max(0, x + to[0] - from[0]));
          const top = Math.min(this.height - h, Math.max(0, y + to[1] - from[1]));
          this.draw([left, top, w, h]);
          return;
        }
        const size = [Math.abs(to[0] - from[0]), Math.abs(to[1] - from[1])];
        this.draw(Math.min(...size) < least ? from : [Math.min(from[0], to[0]), Math.min(from[1], to[1]), ...size]);
      };
      const end = (last) => {
        move(last);
        for (const [kind, listener] of [["pointermove", move], ["pointerup", end], ["pointercancel", end]]) {
          stage.removeEventListener(kind, listener);
        }
        const { field } = this;
        if (!field) return;
        field.value = this.value.join(",");
        field.dispatchEvent(new Event("input", { bubbles: true }));
      };
      stage.addEventListener("pointermove", move);
      stage.addEventListener("pointerup", end);
      stage.addEventListener("pointercancel", end);
    }

    draw(value) {
      this.value = value.every(Number.isFinite) ? value : [];
      const put = (element, x, y, w, h) => Object.assign(element.style, {
        left: `${(100 * x) / this.width}%`, top: `${(100 * y) / this.height}%`,
        width: `${(100 * w) / this.width}%`, height: `${(100 * h) / this.height}%`,
      });
      this.box.hidden = this.value.length !== 4;
      this.dot.hidden = this.value.length !== 2;
      if (!this.box.hidden) put(this.box, ...this.value);
      if (!this.dot.hidden) Object.assign(this.dot.style, {
        left: `${(100 * this.value[0]) / this.width}%`, top: `${(100 * this.value[1]) / this.height}%`,
      });
    }
  }

  customElements.define("pvtt-compare", Compare);
  customElements.define("pvtt-place", Place);
})();
