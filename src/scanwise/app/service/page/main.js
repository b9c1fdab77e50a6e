// The page: opens a scan and puts its parts together.
import { enter, get, job, onClosed, post, unpack, upload } from "/page/api.js";
import * as asking from "/page/ask.js";
import { Camera } from "/page/camera.js";
import { Cloud } from "/page/cloud.js";
import * as correcting from "/page/correct.js";
import { $, all, element, lengths, number, say, tellJob, trying } from "/page/dom.js";
import { openFrame, setUpFrames } from "/page/frames.js";
import { Hands } from "/page/hands.js";
import * as looking from "/page/look.js";
import { Overlay } from "/page/overlay.js";
import { Renderer } from "/page/renderer.js";
import * as words from "/page/words.js";

const LOOK_AGAIN = 4000;  // milliseconds between looks for corrections by others

const app = {
  view: { mode: "colour", size: 1, both: false, frames: false, dim: false, budget: 1e6, low: [0, 0, 0], high: [0, 0, 0] },
  labels: null, answer: null, selection: null, shown: [], revision: 0, busy: 0,

  job(path, value) {
    say("");
    return job(path, value, tellJob);
  },

  setMode(mode) {
    app.view.mode = mode;
    looking.showMode(app);
    app.renderer.draw();
  },

  labelled() {
    looking.showMode(app);
    app.revision = app.labels.revision;
    if (app.selection) app.select(null);
  },

  answered: () => correcting.showSelection(app),
  ask: (sentence) => trying(() => asking.ask(app, sentence)),

  select(selection) {
    app.selection = selection;
    app.cloud.mark(2, selection?.mask);
    app.renderer.refresh();
    correcting.showSelection(app);
  },

  deselect() {
    app.select(null);
    app.overlay.measures = app.overlay.measures.filter((pair) => pair.length === 2);
    app.overlay.draw();
  },

  async correct(corrections) {
    app.busy++;
    try {
      await app.corrected(await post(`/scans/${app.scan}/corrections`, { corrections }));
    } finally {
      app.busy--;
    }
  },

  /** Corrections have changed: labels follow. */
  async corrected(facts) {
    correcting.listCorrections(app, facts);
    if (app.labels) await words.take(app, app.labels.id);
  },

  clicked(x, y, tool, more) {
    const camera = app.overlay.cameraAt(x, y);
    if (camera && tool === "pick") return openFrame(app, camera);
    const row = app.renderer.pick(x, y, 8);
    if (row < 0) return tool === "pick" && !more && app.select(null);
    if (tool === "measure") return trying(() => looking.measure(app, row));
    return trying(async () => {
      looking.tellPoint(app, row);
      await correcting.select(app, { kind: "thing", at: { order: "view", point: row } }, more ? "add" : "set");
      tab("correct", true);
    });
  },

  lassoed(polygon, way, through) {
    const { camera, view } = app, { focal, x, y } = camera.lens();
    const screen = { polygon, eye: camera.eye(), ...camera.axes(), focal, center: [x, y], low: view.low, high: view.high, through };
    return trying(async () => {
      await correcting.select(app, { kind: "screen", screen }, way);
      tab("correct", true);
    });
  },

  /** Shows at once what a brush takes; what is not drawn here the service adds when the stroke ends. */
  painting(place, radius, away) {
    const mask = new Uint8Array(app.cloud.count);
    app.cloud.paint(place, radius, mask);
    for (let i = 0; i < mask.length; i++) if (mask[i]) app.cloud.marks[i] = away ? app.cloud.marks[i] & ~2 : app.cloud.marks[i] | 2;
    app.renderer.refresh();
  },

  brushed(places, radius, way) {
    const m = app.facts.to_source;
    const points = places.map((p) => [0, 1, 2].map((r) => m[r][0] * p[0] + m[r][1] * p[1] + m[r][2] * p[2] + m[r][3]));
    return trying(async () => {
      await correcting.select(app, { kind: "brush", points, radius }, way);
      tab("correct", true);
    });
  },

  hover(x, y) {
    const tip = $("tip"), camera = app.overlay.cameraAt(x, y);
    if (camera !== (app.nearCamera || null)) {
      app.nearCamera = camera;
      app.overlay.draw();
    }
    const row = camera ? -1 : app.renderer.pick(x, y, 6), text = camera ? `picture ${camera.name}` : row >= 0 ? told(row) : "";
    tip.hidden = !text;
    tip.textContent = text;
    tip.style.left = Math.min(x, innerWidth - 220) + "px";
    tip.style.top = Math.min(y, innerHeight - 50) + "px";
  },
};

/** What is under the pointer: the thing, how sure that is, its size. */
function told(row) {
  const { cloud, labels } = app;
  if (!labels) return "";
  const thing = labels.things[cloud.things[row]], word = labels.texts[cloud.words[row]];
  if (!thing) return word || "unlabelled";
  return `${thing.name} · ${Math.round(100 * thing.confidence)} % · ${lengths(thing.size, thing.unit)}`;
}

function tab(name, gently = false) {
  if (gently && $("sheet").classList.contains("folded")) return;
  all("[data-tab]").forEach((button) => button.setAttribute("aria-selected", String(button.dataset.tab === name)));
  all("[data-page]").forEach((page) => { page.hidden = page.dataset.page !== name; });
}

function area() {  // the part of the window that the panel leaves
  const box = $("sheet").getBoundingClientRect(), top = $("toolbar").getBoundingClientRect().bottom;
  return innerWidth <= 700 ? { x: 0, y: top, width: innerWidth, height: Math.max(120, box.top - top) }
    : { x: 0, y: 0, width: Math.max(120, box.left), height: innerHeight };
}

function setUpPanel() {
  all("[data-tab]").forEach((button) => { button.onclick = () => tab(button.dataset.tab); });
  $("fold").onclick = () => {
    const folded = $("sheet").classList.toggle("folded");
    $("fold").textContent = folded ? "Show" : "Hide";
    $("fold").setAttribute("aria-expanded", String(!folded));
    app.renderer.moving();
  };
  $("name").onclick = () => trying(chooseScan);
}

// Which scan

function askForToken() {
  const dialog = $("token"), input = dialog.querySelector("input");
  dialog.showModal();
  return new Promise((done) => { dialog.onclose = () => done(input.value); });
}

async function chooseScan() {
  const list = $("scans").querySelector("div"), scans = await get("/scans");
  list.replaceChildren();
  for (const scan of scans) element("button", list, scan.name + (scan.results ? ` · ${scan.results} results` : "")).onclick = () => { location.search = `?scan=${scan.id}`; };
  if (!scans.length) element("p", list, "There are no scans below the folder that is served.");
  $("drop").querySelector("input").onchange = (event) => trying(async () => {
    say("uploading …");
    const scan = await upload(event.target.files[0]);
    location.search = `?scan=${scan.id}`;
  });
  $("scans").showModal();
}

async function open(scan) {
  app.scan = scan;
  const reading = () => job(`/scans/${scan}/open`, {}, tellJob);
  onClosed(reading);
  await reading();
  app.facts = await get(`/scans/${scan}`);
  document.title = `${app.facts.name} · scanwise`;
  $("name").textContent = app.facts.name;
  $("about").textContent = `${number(app.facts.points)} points`;
  app.view.both = !app.facts.normals;
  app.camera = new Camera(app.facts, area);
  app.overlay = new Overlay(app);
  app.cloud = new Cloud(scan, app.facts, await get(`/scans/${scan}/cubes`), () => app.renderer.draw());
  app.cloud.failed = (error) => say(error.message, true);
  app.renderer = new Renderer($("canvas"), app.cloud, app.camera, app.view);
  if (!app.renderer.gl) {
    $("failed").hidden = false;
    return;
  }
  app.renderer.after = () => app.overlay.draw();
  app.hands = new Hands(app);
  looking.setUpLook(app);
  words.setUpWords(app);
  asking.setUpAsk(app);
  correcting.setUpCorrect(app);
  looking.showMode(app);
  correcting.showSelection(app);
  addEventListener("resize", () => app.renderer.draw());
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => app.renderer.draw());
  app.renderer.draw();
  await setUpFrames(app);
  correcting.listCorrections(app, await get(`/scans/${scan}/corrections`));
  setInterval(() => document.hidden || app.busy || trying(others), LOOK_AGAIN);
}

/** Takes over what others have corrected meanwhile. */
async function others() {
  const revision = await get(`/scans/${app.scan}/revision`);
  if (revision !== app.revision && !app.busy && !app.selection) await app.corrected(await get(`/scans/${app.scan}/corrections`));
}

async function start() {
  setUpPanel();
  const health = await enter(askForToken), wanted = new URLSearchParams(location.search).get("scan") || health.only;
  if (!wanted) return chooseScan();
  await open(wanted);
  const before = await words.restore(app);
  app.ready = true;
  if (health.words.length && !before) await words.label(app, health.words);
}

app.unpack = unpack;
window.scanwise = app;  // for whoever looks in from the console, and for tests
trying(start);
