// How the cloud is shown: colours, sizes, the clip box, measures and coordinates.
import { post } from "/page/api.js";
import { $, all, number, say, trying } from "/page/dom.js";
import { viridis } from "/page/shaders.js";

const BUDGETS = [1e5, 1e7];  // points drawn, at the slider's ends

export function setUpLook(app) {
  const { view, facts } = app;
  all("[data-mode]").forEach((button) => { button.onclick = () => app.setMode(button.dataset.mode); });
  $("size").oninput = (event) => { view.size = +event.target.value; app.renderer.draw(); };
  $("both").checked = view.both;
  $("both").closest("label").hidden = !facts.normals;
  $("both").onchange = (event) => { view.both = event.target.checked; app.renderer.draw(); };
  const drawn = () => {
    view.budget = Math.round(BUDGETS[0] * (BUDGETS[1] / BUDGETS[0]) ** +$("budget").value);
    $("budget").nextElementSibling.value = view.budget >= 1e6 ? `${(view.budget / 1e6).toFixed(1)} M` : `${Math.round(view.budget / 1e3)} k`;
    app.renderer.draw();
  };
  $("budget").value = Math.log(view.budget / BUDGETS[0]) / Math.log(BUDGETS[1] / BUDGETS[0]);
  $("budget").oninput = drawn;
  drawn();
  const clip = () => {
    all("#clip input").forEach((slider) => {
      const k = +slider.dataset.axis, span = facts.high[k] - facts.low[k], end = slider.dataset.end;
      const slack = (end === "low" ? -1e-3 : 1e-3) * (span + 1);
      view[end][k] = facts.low[k] + +slider.value * span + (+slider.value === (end === "low" ? 0 : 1) ? slack : 0);
    });
    app.renderer.draw();
  };
  all("#clip input").forEach((slider) => { slider.oninput = clip; });
  if (facts.ceiling !== null) all("#clip input")[5].value = (facts.ceiling - facts.low[2]) / Math.max(1e-6, facts.high[2] - facts.low[2]);
  clip();
  $("copy").onclick = () => trying(async () => {
    await navigator.clipboard.writeText($("coordinates").dataset.plain);
    say("copied");
  });
  $("forget").onclick = () => { app.overlay.measures = []; $("measured").textContent = ""; app.overlay.draw(); };
}

export function showMode(app) {
  const { mode } = app.view, scalar = ["confidence", "height"].includes(mode);
  all("[data-mode]").forEach((button) => {
    button.setAttribute("aria-pressed", String(button.dataset.mode === mode));
    button.disabled = ["words", "things", "confidence"].includes(button.dataset.mode) && !app.labels;
  });
  $("ramp").hidden = !scalar;
  if (!scalar) return;
  const [low, high] = mode === "confidence" ? [0, 1] : app.facts.heights;
  $("ramp").firstElementChild.style.background = `linear-gradient(90deg, ${viridis.map((c) => `rgb(${c})`)})`;
  const [first, last] = $("ramp").querySelectorAll("span");
  first.textContent = low.toFixed(2) + (mode === "height" ? " m" : "");
  last.textContent = high.toFixed(2) + (mode === "height" ? " m" : "");
}

/** Says where a point is, in the file's own frame. */
export async function tellPoint(app, row) {
  const point = await post(`/scans/${app.scan}/point`, { order: "view", point: row });
  const plain = point.source.map((v) => String(+v.toFixed(4)));
  $("place").hidden = false;
  $("coordinates").textContent = `${plain.join(", ")} ${point.unit}` + (point.color ? ` · rgb ${point.color.join(" ")}` : "") + ` · point ${number(point.row)}`;
  $("coordinates").dataset.plain = plain.join(",");
  return point;
}

/** A measuring click: every second one ends a line. */
export async function measure(app, row) {
  const point = await tellPoint(app, row), { measures } = app.overlay, open = measures.find((pair) => pair.length === 1);
  if (open) open.push(point);
  else measures.push([point]);
  const lines = measures.filter((pair) => pair.length === 2).map((pair) => {
    const [a, b] = pair.map((end) => end.inside), flat = Math.hypot(a[0] - b[0], a[1] - b[1]);
    return `${app.overlay.told(pair)} (across ${flat.toFixed(3)} m, up ${Math.abs(a[2] - b[2]).toFixed(3)} m)`;
  });
  $("measured").textContent = lines.join("\n");
  app.overlay.draw();
}
