// Pointers, wheel and keys: they turn the camera, or do what the chosen tool does.
import { $, all } from "/page/dom.js";
import { dot, minus } from "/page/camera.js";

export class Hands {
  constructor(app) {
    Object.assign(this, { app, tool: "pick", fingers: new Map(), travelled: 0, lastTap: { time: -1e9, x: 0, y: 0 }, stroke: null, keys: new Set() });
    const canvas = app.renderer.canvas, on = (name, act, options) => canvas.addEventListener(name, (event) => act.call(this, event), options);
    on("pointerdown", this.down);
    on("pointermove", this.move);
    on("pointerup", this.up);
    on("pointercancel", this.up);
    on("pointerleave", () => { clearTimeout(this.telling); $("tip").hidden = true; });
    on("contextmenu", (event) => event.preventDefault());
    on("wheel", this.wheel, { passive: false });
    on("keydown", this.key);
    addEventListener("keyup", (event) => this.keys.delete(event.key.toLowerCase()));
    addEventListener("blur", () => this.keys.clear());
    all("[data-tool]").forEach((button) => { button.onclick = () => this.take(button.dataset.tool); });
    $("fly").onclick = () => this.fly();
    $("reset").onclick = () => this.reset();
    $("brush-size").children[0].oninput = (event) => { $("brush-size").children[1].value = `${(+event.target.value).toFixed(2)} m`; };
  }

  take(tool) {
    this.tool = tool;
    all("[data-tool]").forEach((button) => button.setAttribute("aria-pressed", String(button.dataset.tool === tool)));
    $("brush-size").hidden = tool !== "brush";
    $("lasso-through").hidden = tool !== "lasso";
    this.app.renderer.canvas.classList.toggle("aiming", tool !== "pick");
    this.show(null);
  }

  fly() {
    const camera = this.app.camera;
    camera.flying = !camera.flying;
    if (camera.flying) {  // from inside: the eye stays, the target comes near
      const eye = camera.eye(), near = Math.min(camera.distance, camera.reach / 6);
      camera.target = eye.map((v, k) => v - near * camera.axes().back[k]);
      camera.distance = near;
    }
    $("fly").setAttribute("aria-pressed", String(camera.flying));
    this.app.renderer.moving();
  }

  reset() {
    if (this.app.camera.flying) this.fly();
    this.app.camera.reset();
    this.app.renderer.moving();
  }

  get radius() {
    return +$("brush-size").children[0].value;
  }

  show(stroke) {
    this.app.overlay.stroke = stroke;
    this.app.overlay.draw();
  }

  draws(event) {
    return ["lasso", "brush"].includes(this.tool) && !(event.buttons & 6) && this.fingers.size === 1 && !this.keys.has(" ");
  }

  down(event) {
    this.app.renderer.canvas.setPointerCapture(event.pointerId);
    this.fingers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    this.travelled = this.fingers.size > 1 ? 1e9 : 0;
    $("tip").hidden = true;
    this.stroke = this.draws(event) ? { polygon: [], points: [] } : null;
    if (this.stroke) this.extend(event);
    else this.show(null);
  }

  move(event) {
    const { clientX: x, clientY: y } = event;
    if (!this.fingers.has(event.pointerId)) {
      clearTimeout(this.telling);
      this.telling = setTimeout(() => this.app.hover(x, y), 50);
      if (this.tool === "brush") this.circle(x, y);
      return;
    }
    const before = this.middle();
    this.fingers.set(event.pointerId, { x, y });
    const after = this.middle(), dx = after.x - before.x, dy = after.y - before.y, camera = this.app.camera;
    this.travelled += Math.hypot(dx, dy);
    if (this.stroke) {
      this.extend(event);
      return;
    }
    if (this.fingers.size > 1) {
      camera.move(dx, dy);
      if (before.spread > 0 && after.spread > 0) camera.zoom(before.spread / after.spread);
    } else if ((event.shiftKey && this.tool !== "pick") || event.buttons & 6 || event.ctrlKey) camera.move(dx, dy);
    else camera.turn(dx, dy);
    this.app.renderer.moving();
  }

  middle() {
    const some = [...this.fingers.values()], mean = (key) => some.reduce((sum, f) => sum + f[key], 0) / some.length;
    return { x: mean("x"), y: mean("y"), spread: some.length > 1 ? Math.hypot(some[0].x - some[1].x, some[0].y - some[1].y) : 0 };
  }

  extend(event) {
    const { clientX: x, clientY: y } = event;
    if (this.tool === "lasso") {
      this.stroke.polygon.push([x, y]);
      this.show(this.stroke);
      return;
    }
    this.circle(x, y);
    const row = this.app.renderer.pick(x, y, 6);
    if (row < 0) return;
    const place = this.app.cloud.position(row);
    if (!place) return;
    this.stroke.points.push(place);
    this.app.painting(place, this.radius, event.altKey);
  }

  circle(x, y) {
    const row = this.app.renderer.pick(x, y, 6), { camera } = this.app, place = row >= 0 && this.app.cloud.position(row);
    const depth = place ? camera.distance - dot(minus(place, camera.target), camera.axes().back) : camera.distance;
    this.show({ x, y, radius: this.radius * camera.lens().focal / depth });
  }

  up(event) {
    if (!this.fingers.delete(event.pointerId)) return;
    const { clientX: x, clientY: y, timeStamp: time } = event, stroke = this.stroke;
    this.stroke = null;
    if (stroke) {
      if (this.tool === "lasso") this.show(null);
      if (event.type === "pointercancel") return;
      const way = event.altKey ? "subtract" : event.shiftKey || this.tool === "brush" ? "add" : "set";
      if (this.tool === "lasso" && stroke.polygon.length > 2) this.app.lassoed(stroke.polygon, way, $("lasso-through").children[0].checked);
      if (this.tool === "brush" && stroke.points.length) this.app.brushed(stroke.points, this.radius, way);
      return;
    }
    if (event.type === "pointercancel" || this.travelled > 6) return;
    if (time - this.lastTap.time < 350 && Math.hypot(x - this.lastTap.x, y - this.lastTap.y) < 24) this.pivot(x, y);
    else this.app.clicked(x, y, this.tool, event.shiftKey);
    this.lastTap = { time, x, y };
  }

  pivot(x, y) {
    const { camera, cloud, renderer } = this.app, row = renderer.pick(x, y, 12), goal = row >= 0 && cloud.position(row);
    if (!goal || camera.flying) return;
    const from = camera.target, begin = performance.now();
    const glide = (now) => {  // so that one sees where one goes
      const t = Math.min(1, Math.max(0, (now - begin) / 250)), eased = t * (2 - t);
      camera.target = from.map((f, k) => f + eased * (goal[k] - f));
      renderer.moving();
      if (t < 1) requestAnimationFrame(glide);
    };
    requestAnimationFrame(glide);
  }

  wheel(event) {
    event.preventDefault();
    this.app.camera.zoom(Math.exp(Math.max(-200, Math.min(200, event.deltaY * (event.deltaMode ? 30 : 1))) * 0.0015));
    this.app.renderer.moving();
  }

  key(event) {
    if (event.ctrlKey || event.metaKey) return;
    const { camera } = this.app, key = event.key.toLowerCase();
    const once = {
      arrowleft: () => camera.turn(-20, 0), arrowright: () => camera.turn(20, 0), arrowup: () => camera.turn(0, 20),
      arrowdown: () => camera.turn(0, -20), "+": () => camera.zoom(0.85), "=": () => camera.zoom(0.85), "-": () => camera.zoom(1 / 0.85),
      r: () => this.reset(), f: () => this.fly(), 1: () => this.take("pick"), 2: () => this.take("measure"), 3: () => this.take("lasso"),
      4: () => this.take("brush"), escape: () => this.app.deselect(), " ": () => this.keys.add(" "),
    }[key];
    if (once) once();
    else if ("wasdqe".includes(key)) this.held(key);
    else return;
    event.preventDefault();
    this.app.renderer.moving();
  }

  /** Moves as long as keys are held. */
  held(key) {
    this.keys.add(key);
    if (this.going) return;
    let last = performance.now();
    const step = (now) => {
      const { camera, renderer } = this.app, by = Math.min(0.1, (now - last) / 1000) * Math.max(0.6, camera.reach / 6);
      const way = (more, less) => (this.keys.has(more) ? by : 0) - (this.keys.has(less) ? by : 0);
      last = now;
      camera.go(way("d", "a"), way("e", "q"), way("w", "s"));
      renderer.moving();
      this.going = [..."wasdqe"].some((each) => this.keys.has(each));
      if (this.going) requestAnimationFrame(step);
    };
    this.going = true;
    requestAnimationFrame(step);
  }
}
