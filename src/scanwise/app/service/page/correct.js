// Corrections: what is selected, its word, split, merge, grow, shrink, undo; what is learned from them.
import { get, pack, post, save, unpack } from "/page/api.js";
import { $, element, lengths, many, say, trying } from "/page/dom.js";
import { split, take } from "/page/words.js";

export function setUpCorrect(app) {
  const on = (id, act) => { $(id).onclick = () => trying(act); };
  $("word-form").onsubmit = (event) => { event.preventDefault(); trying(() => giveWord(app, $("word").value.trim())); };
  on("no-word", () => giveWord(app, "", "no word"));
  on("clear", () => app.select(null));
  on("grow", () => change(app, "grow"));
  on("shrink", () => change(app, "shrink"));
  on("merge", async () => keep(app, [await thing(app.selection.mask, "merge")]));
  on("split", () => fallApart(app));
  on("meant", async () => {
    await app.correct([{ kind: "meant", text: app.answer.text, mask: await pack(app.selection.mask), how: app.selection.how }]);
    app.ask(app.answer.text);
  });
  on("undo", () => step(app, "undo"));
  on("redo", () => step(app, "redo"));
  on("learn", () => learn(app));
  on("revert", () => revert(app));
  document.querySelectorAll("[data-export]").forEach((button) => { button.onclick = () => trying(() => exported(app, button.dataset.export)); });
}

const texts = (app) => (app.labels ? app.labels.texts : split($("words").value));

/** Asks the engine what a click, a stroke or a lasso means; "add" and "subtract" change what is selected. */
export async function select(app, wanted, way = "set") {
  const told = await post(`/scans/${app.scan}/selections`, { ...wanted, result: app.labels?.id });
  let mask = await unpack(told.bits, app.cloud.count), object = told.object, { points } = told;
  if (way !== "set" && app.selection) {
    const before = app.selection.mask;
    mask = mask.map((on, i) => (way === "add" ? on | before[i] : before[i] & (on ? 0 : 1)));
    points = mask.reduce((sum, on) => sum + on, 0);
    object = -1;
  }
  if (!points) return app.select(null);
  const how = wanted.kind === "thing" ? "click" : wanted.kind === "screen" ? "lasso" : wanted.kind;
  const parts = way === "add" ? [...(app.selection?.parts || []), told.object] : [told.object];
  return app.select({ mask, points, object, how, size: way === "set" ? told.size : null, unit: told.unit, parts });
}

export function showSelection(app) {
  const { selection, labels } = app, chosen = Boolean(selection);
  for (const id of ["apply", "grow", "shrink", "clear", "no-word", "merge", "split"]) $(id).disabled = !chosen;
  $("meant").disabled = !chosen || !app.answer;
  $("meant").textContent = app.answer ? `This is what I meant by “${app.answer.text.slice(0, 40)}”` : "This is what I meant";
  if (!chosen) {
    $("selected").textContent = "Nothing is selected: click a thing, or draw with lasso or brush.";
    return;
  }
  const known = selection.object >= 0 && labels ? labels.things[selection.object] : null;
  const size = selection.size ? `, ${lengths(selection.size, selection.unit)}` : "";
  $("selected").textContent = known
    ? `${known.name}, ${Math.round(100 * known.confidence)} % sure, ${many(known.points, "point")}, ${lengths(known.size, known.unit)}`
    : `${many(selection.points, "point")}${size}`;
  if (known) $("word").placeholder = known.text;
}

async function giveWord(app, word, how) {
  const { selection, labels } = app;
  const known = selection.object >= 0 && labels ? labels.things[selection.object].text : "";
  if (!word && how !== "no word") throw new Error(`write its word${known ? `, such as ${known}` : ""}`);
  const before = selection.before, shrunk = selection.how === "shrink" && before;
  const whole = Boolean(word) && ["click", "grow", "shrink", "thing", "candidate", "split"].includes(selection.how);
  const made = [{ kind: "word", text: word, whole, how: how || selection.how, mask: await pack(selection.mask) }];
  if (shrunk && labels) {
    const told = await post(`/scans/${app.scan}/shrink`, { result: labels.id, mask: await pack(before), steps: selection.steps });
    await app.corrected(told);
  }
  await keep(app, made);
  $("word").value = "";
}

const thing = async (mask, how) => ({ kind: "thing", how, mask: await pack(mask) });

async function keep(app, made) {
  await app.correct(made);
  app.select(null);
  say(made.length > 1 ? `kept: ${made.length} corrections` : `kept: ${made[0].text || made[0].how}`);
}

/** Grows or shrinks what is selected along the surface; it is kept when it is given a word. */
async function change(app, kind) {
  const { selection } = app, mask = await pack(selection.mask);
  const told = await post(`/scans/${app.scan}/selections`, { kind, mask, steps: 2, result: app.labels?.id });
  if (!told.points) throw new Error("nothing would be left of it");
  const same = selection.how === kind, before = same ? selection.before : selection.mask;
  app.select({ mask: await unpack(told.bits, app.cloud.count), points: told.points, size: told.size, unit: told.unit, object: -1, how: kind, before, steps: (same ? selection.steps : 0) + 2 });
}

async function fallApart(app) {
  const { parts } = await post(`/scans/${app.scan}/splits`, await pack(app.selection.mask));
  if (parts.length < 2) throw new Error("it does not fall into parts; draw with lasso or brush what belongs together");
  await keep(app, parts.map((part) => ({ kind: "thing", how: "split", mask: { order: "view", bits: part.bits } })));
  app.setMode("things");
}

async function step(app, name) {
  await app.corrected(await post(`/scans/${app.scan}/${name}`, {}));
  app.select(null);
}

/** Lists the corrections that are in force. */
export function listCorrections(app, facts) {
  app.revision = facts.revision;
  $("undo").disabled = !facts.can_undo;
  $("redo").disabled = !facts.can_redo;
  $("kept").textContent = facts.corrections.length ? `${facts.corrections.length}, kept beside the scan` : "none yet";
  $("learn").disabled = !facts.corrections.some((each) => each.kind === "word" && each.text);
  $("revert").disabled = !facts.learned;
  $("corrections").replaceChildren(...facts.corrections.slice(-100).reverse().map((each) => {
    const what = { word: each.text ? `“${each.text}”` : "no word", thing: "one thing", meant: `“${each.text}” is meant` }[each.kind];
    return element("li", null, `${what} · ${many(each.points, "point")}${each.how ? ` · ${each.how}` : ""}`);
  }));
}

async function learn(app) {
  const { result } = await app.job(`/scans/${app.scan}/learn`, { texts: texts(app) });
  await take(app, result.result);
  app.setMode("words");
  const share = (value) => `${Math.round(100 * value)} %`;
  $("learned").textContent = `Learned: ${share(result.changed)} of the points have another label. Of the points that you gave words, `
    + `${share(result.right_before)} were right by themselves before and ${share(result.right_after)} are now.`;
  listCorrections(app, await get(`/scans/${app.scan}/corrections`));
}

async function revert(app) {
  const { result } = await app.job(`/scans/${app.scan}/revert`, { texts: texts(app) });
  await take(app, result.result);
  $("learned").textContent = result.as_shipped ? "Reverted: labels are as shipped, with your corrections on top." : "Reverted to what was learned before.";
  listCorrections(app, await get(`/scans/${app.scan}/corrections`));
}

async function exported(app, kind) {
  const name = app.facts.name.replace(/\W+/g, "-");
  if (kind === "csv") await save(`/scans/${app.scan}/corrections.csv`, `${name}-corrections.csv`);
  else if (kind === "jsonl") await save(`/scans/${app.scan}/sentences.jsonl`, `${name}-sentences.jsonl`);
  else if (!app.labels) throw new Error("label it first");
  else await save(`/results/${app.labels.id}/cloud?format=${kind}`, `${name}-labels.${kind}`);
}
