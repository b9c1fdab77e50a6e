// Words: what is asked for, the legend of what was found, and the colours of words and things.
import { bytes, get } from "/page/api.js";
import { $, element, many, number, say, trying } from "/page/dom.js";

const NONE = [205, 208, 212];

export function setUpWords(app) {
  $("label-form").onsubmit = (event) => {
    event.preventDefault();
    trying(() => label(app, split($("words").value)));
  };
  $("all").onclick = () => show(app, () => true);
  $("none").onclick = () => show(app, () => false);
}

export const split = (text) => [...new Set(text.split(/[,\n;]+/).map((word) => word.trim()).filter(Boolean))];

export async function label(app, texts) {
  if (!texts.length) throw new Error("name some words, such as chair, table, wall, floor");
  const ended = await app.job(`/scans/${app.scan}/labels`, { texts });
  $("words").value = texts.join(", ");
  await take(app, ended.result.result);
  app.setMode("words");
}

/** Shows the labels of a result, with the corrections that are in force. */
export async function take(app, result) {
  const [labels, columns] = await Promise.all([get(`/results/${result}/labels`), bytes(`/results/${result}/columns`)]);
  const before = app.labels;
  app.labels = labels;
  app.cloud.take(columns);
  const hidden = new Set(before ? before.texts.filter((text, k) => !app.shown[k]) : []);
  app.shown = labels.texts.map((text) => !hidden.has(text));
  app.shownNone = app.shownNone ?? true;
  colours(app);
  app.renderer.refresh();
  legend(app);
  app.labelled();
}

function colours(app) {
  const { labels } = app, table = labels.colors;
  app.wordColors = table;
  app.paintWords = () => {
    const words = [[...NONE, app.shownNone ? 255 : 0], ...table.map((color, k) => [...color, app.shown[k] ? 255 : 0])];
    const things = [[...NONE, 255], ...labels.things.map((_, k) => [...thingColor(k), 255])];
    app.renderer.colors(words, things);
  };
  app.paintWords();
}

function thingColor(i) {
  const h = (0.11 + i * 0.618034) % 1, strong = [0.75, 0.5, 0.85][i % 3], light = [0.9, 0.98, 0.65][i % 3];
  const hue = (k) => { const f = (k + h * 6) % 6; return Math.max(0, Math.min(1, f, 4 - f)); };
  return [5, 3, 1].map((k) => Math.round(255 * light * (1 - strong * hue(k))));
}

function legend(app) {
  const { labels } = app, list = $("legend"), order = labels.texts.map((_, k) => k).sort((a, b) => labels.counts[b] - labels.counts[a]);
  list.replaceChildren();
  $("legend-head").hidden = false;
  $("legend-about").textContent = `${many(labels.texts.length, "word")}, ${many(labels.things.length, "thing")}${labels.learned ? ", learned" : ""}`;
  let before = null;  // the state before a double click's two single ones
  const row = (k, text, color, objects, count) => {
    const button = element("button", list, undefined, { "aria-pressed": "true", "data-word": k, title: `${text}: ${number(count)} points${objects ? ` in ${many(objects, "thing")}` : ""}. Double-click: alone.` });
    element("i", button).style.background = `rgb(${color})`;
    element("span", button, text);
    element("small", button, (objects ? objects + " · " : "") + number(count));
    button.onclick = (event) => {
      if (event.detail < 2) before = [app.shownNone, ...app.shown];
      show(app, (j, was) => (j === k ? !was : was));
    };
    button.ondblclick = () => {
      const alone = before.every((on, j) => on === (j - 1 === k));
      show(app, (j) => alone || j === k);
    };
  };
  for (const k of order) row(k, labels.texts[k], app.wordColors[k], labels.object_counts[k], labels.counts[k]);
  if (labels.unlabelled) row(-1, "unlabelled", NONE, 0, labels.unlabelled);
  pressed(app);
  const known = $("known");
  known.replaceChildren(...labels.texts.map((text) => element("option", null, undefined, { value: text })));
}

function show(app, change) {
  app.shown = app.shown.map((was, k) => change(k, was));
  app.shownNone = change(-1, app.shownNone);
  pressed(app);
  app.paintWords();
}

function pressed(app) {
  for (const button of $("legend").children) {
    const k = +button.dataset.word;
    button.setAttribute("aria-pressed", String(k < 0 ? app.shownNone : app.shown[k]));
  }
}

/** The newest labels of a scan, where there are some from before. */
export async function restore(app) {
  const results = await get(`/scans/${app.scan}/results`), last = results.find((each) => each.kind === "labels");
  if (!last) return false;
  $("words").value = last.request.texts.join(", ");
  await take(app, last.id);
  app.setMode("words");
  say("labels from before; type other words to label anew");
  return true;
}

