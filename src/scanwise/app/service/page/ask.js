// Sentences: what they mean in the scan, and the other things that they may mean.
import { blob, get, unpack } from "/page/api.js";
import { $, element, lengths, many, trying } from "/page/dom.js";
import { boxCorners } from "/page/overlay.js";

export function setUpAsk(app) {
  $("ask-form").onsubmit = (event) => {
    event.preventDefault();
    trying(() => ask(app, $("sentence").value.trim()));
  };
  $("clear-answer").onclick = () => clear(app);
  $("none-of-these").onclick = () => trying(async () => {
    await app.correct([{ kind: "meant", text: app.answer.text, mask: { order: "view", rows: [] }, how: "none of these" }]);
    clear(app);
  });
}

export async function ask(app, sentence) {
  if (!sentence) throw new Error("write a sentence, such as: the chair by the window");
  const ended = await app.job(`/scans/${app.scan}/answers`, { sentence });
  await show(app, ended.result.result);
}

export async function show(app, result) {
  const [answer, told] = await Promise.all([get(`/results/${result}`), get(`/results/${result}/mask`)]);
  app.answer = { id: result, ...answer.facts };
  const facts = answer.facts, sure = Math.round(100 * facts.confidence);
  $("answer").hidden = false;
  const how = facts.corrected ? "as you said" : facts.found ? `${sure} % sure` : `probably not there (${Math.round(100 * facts.presence)} % that it is); the nearest is shown`;
  $("answer-about").textContent = facts.points ? `“${facts.text}”: ${how}, ${many(facts.points, "point")}${facts.object ? `, ${lengths(facts.object.size, told.unit)}` : ""}` : `“${facts.text}”: nothing`;
  await mark(app, told.bits, facts.object, facts.text);
  const list = $("candidates");
  list.replaceChildren();
  facts.candidates.forEach((candidate, k) => {
    const button = element("button", list, undefined, { title: `Show this one: ${lengths(candidate.size, told.unit)}`, "aria-label": `Candidate ${k + 1}` });
    const image = element("img", button, undefined, { alt: "" });
    element("span", button, `${candidate.text || "thing"} ${Math.round(100 * candidate.confidence)} %`);
    blob(`/results/${result}/crops/${k}`).then((content) => { image.src = URL.createObjectURL(content); }).catch(() => {});
    button.onclick = () => trying(() => choose(app, result, k));
  });
  app.answered();
}

/** Shows a candidate and selects it, so that it can be said to be what was meant. */
async function choose(app, result, k) {
  const told = await get(`/results/${result}/mask?candidate=${k}`), mask = await unpack(told.bits, app.cloud.count);
  app.select({ mask, points: told.points, size: told.size, unit: told.unit, object: -1, how: "candidate" });
}

async function mark(app, bits, place, text) {
  app.cloud.mark(1, await unpack(bits, app.cloud.count));
  app.view.dim = true;
  app.overlay.boxes = place ? [{ corners: boxCorners(place, app.facts.to_source), color: "#ed5419", text }] : [];
  app.renderer.refresh();
  app.overlay.draw();
}

export function clear(app) {
  app.answer = null;
  $("answer").hidden = true;
  app.cloud.mark(1, null);
  app.view.dim = false;
  app.overlay.boxes = [];
  app.renderer.refresh();
  app.overlay.draw();
  app.answered();
}
