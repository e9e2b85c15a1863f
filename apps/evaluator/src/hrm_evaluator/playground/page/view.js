"use strict";
// The view: joins controls, boards and thinker. What is shown follows from `state` alone.

const MODELS = JSON.parse(document.getElementById("data").textContent);
const find = (id) => document.getElementById(id);
const counted = (count, what) => `${count} ${what}${count === 1 ? "" : "s"}`;
const percent = (share) => `${Math.round(share * 100)} %`;
const BETWEEN = 120; // milliseconds; steps that come faster are not all drawn, because that takes longer than to think
const NAMES = { ".": "empty", "#": "wall", S: "start", G: "goal", o: "path" };

const state = { model: null, board: null, puzzle: [], solution: null, row: 0, kept: [], example: null, steps: [], thinking: false, follows: true, looksAt: null, drawn: 0 };
const thinker = new Thinker(find("engine").textContent, hear);
const looks = (kind) => (at) => { state.looksAt = [kind, at]; describeCell(); };
const boards = {
  given: new Board(find("given").querySelector(".board"), looks("given")),
  answer: new Board(find("answer").querySelector(".board"), looks("answer")),
  right: new Board(find("right").querySelector(".board"), () => {}),
};
let timer;

function say(id, text) { find(id).textContent = text; }

function nameOf(token) {
  const { glyphs, colours, family } = state.board, glyph = glyphs[token];
  if (!glyph) return "outside";
  if (glyph === "." && (family === "maze" || glyph in colours)) return family === "maze" ? "free" : "colour 0";
  if (family === "maze" || glyph === ".") return NAMES[glyph] || glyph;
  return glyph in colours ? `colour ${glyph}` : glyph;
}

// ---- choosing a model and a puzzle

function chooseModel(number) {
  const model = state.model = MODELS[number];
  state.board = model.board;
  find("model").value = number;
  find("puzzle").replaceChildren(...model.examples.map((_, at) => new Option(`Example ${at + 1}`, at)), new Option("My puzzle", "own"));
  find("palette").replaceChildren(...palette());
  find("keys").textContent = `Keys: arrows move, ${keysOf(model.board)} set a cell, Delete clears it, Enter thinks, Space plays and pauses.`;
  find("pasted").placeholder = model.examples.length ? textOf(model.examples[0].puzzle) : "";
  say("about", aboutOf(model));
  thinker.load(find(`weights-${number}`).textContent);
  chooseExample(0);
}

function aboutOf({ name, weights, bits, rounded, trainedIn, mostSteps }) {
  const size = weights >= 1e6 ? `${(weights / 1e6).toFixed(1)} million` : weights.toLocaleString("en");
  const notes = [`${name} has ${size} weights of ${bits} bits and takes at most ${counted(mostSteps, "step")}.`];
  if (rounded) notes.push("Its weights were rounded to 8 bits, so that they fit into this page.");
  if (trainedIn === "bfloat16") notes.push("It was trained in bfloat16; this page computes in float32, so that answers may differ slightly.");
  return notes.join(" ");
}

function keysOf({ typed, glyphs, blank }) {
  return Object.keys(typed).filter((char) => glyphs[typed[char]] === char && typed[char] !== blank && char !== ".").join(" ");
}

function palette() {
  const { typed, glyphs, colours } = state.board;
  return [...new Set(Object.values(typed))].map((token) => {
    const button = document.createElement("button"), fill = colours[glyphs[token]];
    button.type = "button";
    button.textContent = fill || glyphs[token] === "." ? "\u00a0" : glyphs[token];
    button.setAttribute("aria-label", `Set ${nameOf(token)}`);
    if (fill) button.style.background = fill;
    button.addEventListener("click", () => setCell(token));
    return button;
  });
}

function textOf(tokens) {
  const { board } = state, cells = new Array(board.rows * board.columns).fill("");
  tokens.forEach((token, place) => { cells[board.cells[place]] = board.glyphs[token]; });
  const rows = Array.from({ length: board.rows }, (_, i) => cells.slice(i * board.columns, (i + 1) * board.columns).join(""));
  return rows.filter((row) => row).join("\n");
}

function chooseExample(number) {
  const { puzzle, solution, row, kept } = state.model.examples[number];
  choose([...puzzle], solution, row, kept, number);
  run();
}

function choose(puzzle, solution, row, kept, example) {
  pause();
  Object.assign(state, { puzzle, solution, row, kept, example, steps: [], thinking: false, follows: true });
  thinker.stop();
  find("puzzle").value = example === null ? "own" : example;
  find("previous").disabled = example === null || example === 0;
  find("next").disabled = example === null || example === state.model.examples.length - 1;
  find("right").hidden = solution === null;
  lay();
  show();
}

/** Lays out all boards: the whole board or, on a canvas, the part of it that holds something. */
function lay() {
  const { board, puzzle, solution, steps } = state;
  const shown = { rows: board.rows, columns: board.columns };
  if (board.canvas) {
    const used = [puzzle, solution || [], ...steps.map((step) => step.tokens)].flatMap((tokens) =>
      tokens.flatMap((token, place) => (token >= 0 && board.glyphs[token] ? [board.cells[place]] : [])));
    shown.rows = 1 + Math.max(0, ...used.map((cell) => Math.floor(cell / board.columns)));
    shown.columns = 1 + Math.max(0, ...used.map((cell) => cell % board.columns));
  }
  const size = `${shown.rows} ${shown.columns} ${MODELS.indexOf(state.model)}`;
  if (size === lay.size) return;
  lay.size = size;
  Object.values(boards).forEach((one) => one.lay(board, shown));
}

// ---- changing the puzzle

function setCell(token) {
  const at = boards.given.place;
  if (!state.board.glyphs[state.puzzle[at]]) { say("problem", "This cell lies outside the board; paste a larger one."); return; }
  say("problem", "");
  const puzzle = [...state.puzzle], cell = boards.given.active;
  if (puzzle[at] === token) return;
  puzzle[at] = token;
  choose(puzzle, null, state.row, state.kept.filter((place) => place !== at), null);
  boards.given.active = cell;
  say("status", "The puzzle was changed: press Enter or Think.");
}

function clearCell() {
  if (state.board.blank === null) say("problem", `No cell of ${state.board.task} can be empty.`);
  else setCell(state.board.blank);
}

function readText() {
  const { tokens, problem } = readPuzzle(find("pasted").value, state.board);
  say("problem", problem || "");
  if (problem) return;
  choose(tokens, null, 0, [], null);
  run();
}

// ---- thinking

function run() {
  pause();
  Object.assign(state, { steps: [], thinking: true, follows: true });
  say("problem", "");
  thinker.think(state.puzzle, state.row);
  show();
}

function hear(step) {
  if (step.failure) { state.thinking = false; say("problem", `The model stopped: ${step.failure}`); return; }
  state.steps.push(keepUnasked(step));
  state.thinking = !step.done;
  const now = performance.now();
  if (state.thinking && now - state.drawn < BETWEEN) return; // the next one is near
  state.drawn = now;
  lay();
  if (state.follows) {
    find("step").max = state.steps.length;
    find("step").value = state.steps.length;
  }
  show();
}

/** Puts the puzzle's own tokens into an answer where nothing is asked for; the model's are of no meaning there. */
function keepUnasked(step) {
  const { puzzle, board } = state, kept = new Set(state.kept);
  puzzle.forEach((token, place) => { if (board.kept.includes(token)) kept.add(place); });
  const own = (values, other) => Array.from(values, (value, place) => (kept.has(place) ? other(place) : value));
  return { ...step, tokens: own(step.tokens, (place) => puzzle[place]), sureness: own(step.sureness, () => null) };
}

// ---- showing

function changes(number) {
  if (number < 1) return new Set();
  const now = state.steps[number].tokens, before = state.steps[number - 1].tokens;
  return new Set(now.flatMap((token, place) => (token !== before[place] ? [place] : [])));
}

function show() {
  const { steps, puzzle, solution, board, thinking } = state, slider = find("step");
  slider.max = Math.max(1, steps.length);
  if (!steps.length) slider.value = 1;
  slider.disabled = find("play").disabled = steps.length < 2;
  const number = Number(slider.value) - 1, step = steps[number];
  const verdict = step ? judge(board, puzzle, step.tokens, solution) : null;
  const changed = step ? changes(number) : new Set();
  say("count", steps.length ? `${number + 1} of ${steps.length}` : "");
  say("status", statusOf(number, verdict, changed.size));
  find("think").textContent = thinking ? "Stop" : "Think";
  boards.given.paint((place) => ({ token: puzzle[place], classes: ["given"], label: nameOf(puzzle[place]) }));
  boards.answer.paint((place) => {
    if (!step) return { token: board.blank ?? undefined, label: "no answer yet" };
    const token = step.tokens[place], sureness = step.sureness[place], classes = [];
    if (token === puzzle[place]) classes.push("given");
    if (verdict.wrong.has(place)) classes.push("wrong");
    else if (verdict.right !== null && token !== puzzle[place] && (solution || verdict.right)) classes.push("right");
    if (changed.has(place)) classes.push("changed");
    return { token, classes, sureness, label: sureness === null ? `${nameOf(token)}, given` : `${nameOf(token)}, ${percent(sureness)} sure` };
  });
  if (solution) boards.right.paint((place) => ({ token: solution[place] < 0 ? undefined : solution[place], classes: ["given"] }));
  describeCell();
}

function statusOf(number, verdict, changed) {
  const { steps, thinking, model } = state, step = steps[number];
  if (!step) return thinking ? "Thinking about step 1." : "Press Enter or Think.";
  const said = `Step ${number + 1}: ${counted(changed, "cell")} changed, ${percent(step.confidence)} sure of it; ${verdict.text}.`;
  const last = steps.at(-1);
  if (!last.done) return said;
  if (!last.halted) return `${said} The model did not halt within ${counted(model.mostSteps, "step")}.`;
  return `${said} The model halted after ${steps.length} of at most ${counted(model.mostSteps, "step")}.`;
}

/** Writes below the answer what the cell is that is pointed at or has the focus. */
function describeCell() {
  const cell = state.looksAt && boards[state.looksAt[0]].cells[state.looksAt[1]];
  say("cell", cell ? cell.getAttribute("aria-label") : "");
}

// ---- playing

function move(by) {
  const slider = find("step");
  slider.value = Number(slider.value) + by;
  state.follows = Number(slider.value) === state.steps.length;
  show();
}

function pause() {
  clearInterval(timer);
  timer = undefined;
  say("play", "Play");
  find("play").setAttribute("aria-pressed", "false");
}

function play() {
  const slider = find("step");
  if (timer) { pause(); return; }
  if (state.steps.length < 2) return;
  if (slider.value === slider.max) slider.value = 1;
  state.follows = false;
  show();
  say("play", "Pause");
  find("play").setAttribute("aria-pressed", "true");
  timer = setInterval(() => (slider.value === slider.max ? pause() : move(1)), 700);
}

function think() {
  if (!state.thinking) { run(); return; }
  thinker.stop();
  state.thinking = false;
  show();
}

function press(event) {
  const { key, target } = event;
  if (event.altKey || event.ctrlKey || event.metaKey || target.closest("select, textarea, input, summary")) return;
  const isButton = Boolean(target.closest("button")), inBoard = Object.values(boards).find((one) => one.cells.includes(target));
  const arrow = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[key];
  if (arrow && inBoard) inBoard.move(...arrow);
  else if (arrow && arrow[1]) { pause(); move(arrow[1]); }
  else if (key === "Enter" && !isButton) run();
  else if (key === " " && !isButton) play();
  else if ((key === "Delete" || key === "Backspace") && inBoard === boards.given) clearCell();
  else if (key.length === 1 && inBoard === boards.given) {
    if (key in state.board.typed) setCell(state.board.typed[key]);
    else say("problem", `${JSON.stringify(key)} is no cell of ${state.board.task}; press one of ${keysOf(state.board)}.`);
  } else return;
  event.preventDefault();
}

function turn(by) { chooseExample(state.example + by); }

function another() {
  const { examples } = state.model, number = Math.floor(Math.random() * examples.length);
  chooseExample(number === state.example ? (number + 1) % examples.length : number);
}

MODELS.forEach((model, number) => find("model").add(new Option(model.name, number)));
find("models").hidden = MODELS.length === 1;
find("model").addEventListener("change", ({ target }) => chooseModel(Number(target.value)));
find("puzzle").addEventListener("change", ({ target }) => (target.value === "own" ? choose(state.puzzle, null, state.row, state.kept, null) : chooseExample(Number(target.value))));
find("previous").addEventListener("click", () => turn(-1));
find("next").addEventListener("click", () => turn(1));
find("new").addEventListener("click", another);
find("think").addEventListener("click", think);
find("play").addEventListener("click", play);
find("step").addEventListener("input", () => { pause(); move(0); });
find("read").addEventListener("click", readText);
document.addEventListener("keydown", press);
chooseModel(0);
