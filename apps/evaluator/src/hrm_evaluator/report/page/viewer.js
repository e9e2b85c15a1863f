"use strict";
(() => {
  const { colours, puzzles } = JSON.parse(document.getElementById("data").textContent);
  const find = (id) => document.getElementById(id);
  const [select, vote, slider, count, status, play] = ["puzzle", "vote", "step", "count", "status", "play"].map(find);
  const board = (id) => find(id).querySelector(".board");
  const wrongIn = (step) => (step.marks.match(/w/gi) || []).length;
  const changedIn = (step) => (step.marks.match(/[WR:]/g) || []).length;
  const cells = (n) => `${n} ${n === 1 ? "cell" : "cells"}`;
  let puzzle, steps, timer;

  function described(one, answer) {
    const wrong = wrongIn(answer.at(-1));
    const verdict = one.solution === null ? "" : wrong ? `: ${cells(wrong)} wrong` : ": solved";
    return `${verdict}, ${answer.length} ${answer.length === 1 ? "step" : "steps"}`;
  }

  if (!puzzles.length) { find("viewer").hidden = true; return; }
  puzzles.forEach((one, number) => {
    select.add(new Option(`${number + 1}${described(one, one.answers[0])}`, number));
  });

  function lay(element) {
    element.style.gridTemplateColumns = `repeat(${puzzle.columns}, minmax(0, 1fr))`;
    element.style.gridTemplateRows = `repeat(${puzzle.rows}, minmax(0, 1fr))`;
    element.style.aspectRatio = `${puzzle.columns} / ${puzzle.rows}`;
    element.style.setProperty("--columns", puzzle.columns);
    element.replaceChildren(...Array.from({ length: puzzle.rows * puzzle.columns }, () => document.createElement("div")));
  }

  function paint(element, symbols, marks) {
    [...element.children].forEach((cell, at) => {
      const symbol = symbols[at], mark = marks ? marks[at] : ".", fill = colours[symbol];
      const classes = ["cell"];
      if (puzzle.rowBreaks.includes(Math.floor(at / puzzle.columns))) classes.push("below");
      if (puzzle.columnBreaks.includes(at % puzzle.columns)) classes.push("behind");
      if (fill) classes.push("filled");
      else if (puzzle.puzzle[at] === symbol && symbol !== "." && mark !== "w" && mark !== "W") classes.push("given");
      if ("wW".includes(mark)) classes.push("wrong");
      if ("rR".includes(mark)) classes.push("right");
      if ("WR:".includes(mark)) classes.push("changed");
      cell.className = classes.join(" ");
      cell.style.setProperty("--fill", fill || "transparent");
      cell.textContent = fill || symbol === "." ? "" : symbol;
    });
  }

  function show() {
    const number = Number(slider.value), step = steps[number - 1];
    const wrong = wrongIn(step), changed = changedIn(step);
    const right = puzzle.solution === null ? "" : wrong ? `${cells(wrong)} wrong, ` : "all cells right, ";
    count.textContent = `${number} of ${steps.length}`;
    status.textContent =
      `Step ${number}: ${right}${cells(changed)} changed, ${Math.round(step.confidence * 100)} % sure of it`;
    paint(board("answer"), step.symbols, step.marks);
    board("answer").setAttribute("aria-label", `Model's answer. ${status.textContent}. Arrow keys change step and puzzle.`);
  }

  function pick(number) {
    puzzle = puzzles[number];
    select.value = number;
    vote.replaceChildren(...puzzle.answers.map((answer, at) =>
      new Option(`${at ? `vote ${at}` : "chosen"}${described(puzzle, answer)}`, at)));
    find("choice").hidden = puzzle.answers.length === 1;
    find("previous").disabled = number === 0;
    find("next").disabled = number === puzzles.length - 1;
    ["given", "answer", "right"].forEach((id) => lay(board(id)));
    paint(board("given"), puzzle.puzzle);
    board("given").setAttribute("aria-label", `Puzzle of ${puzzle.rows} rows and ${puzzle.columns} columns`);
    find("right").hidden = puzzle.solution === null;
    if (puzzle.solution !== null) paint(board("right"), puzzle.solution);
    board("right").setAttribute("aria-label", "Solution");
    follow(0);
  }

  function follow(answer) {
    steps = puzzle.answers[answer];
    slider.max = steps.length;
    slider.value = steps.length;
    show();
  }

  const turn = (by) => pick(Math.min(puzzles.length - 1, Math.max(0, Number(select.value) + by)));
  const move = (by) => { slider.value = Number(slider.value) + by; show(); };

  function stop() {
    clearInterval(timer);
    timer = undefined;
    play.textContent = "Play";
    play.setAttribute("aria-pressed", "false");
  }

  play.addEventListener("click", () => {
    if (timer) { stop(); return; }
    if (slider.value === slider.max) slider.value = 1;
    show();
    play.textContent = "Pause";
    play.setAttribute("aria-pressed", "true");
    timer = setInterval(() => (slider.value === slider.max ? stop() : move(1)), 700);
  });
  select.addEventListener("change", () => { stop(); pick(Number(select.value)); });
  vote.addEventListener("change", () => { stop(); follow(Number(vote.value)); });
  slider.addEventListener("input", () => { stop(); show(); });
  find("previous").addEventListener("click", () => { stop(); turn(-1); });
  find("next").addEventListener("click", () => { stop(); turn(1); });
  document.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target === select || event.target === vote || event.target === slider) return;
    const horizontal = { ArrowLeft: -1, ArrowRight: 1 }[event.key], vertical = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (horizontal) { stop(); move(horizontal); event.preventDefault(); }
    if (vertical && event.target === board("answer")) { stop(); turn(vertical); event.preventDefault(); }
  });
  pick(0);
})();
