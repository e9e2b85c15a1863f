"use strict";
// Rules: what the page itself can say of an answer. It knows Sudoku and mazes; of other puzzles only known solutions.

const RULES = {
  /** Every cell is filled, no row, column or box holds a digit twice, and clues are kept. */
  sudoku(board, puzzle, answer) {
    const digit = (token) => (board.glyphs[token] in board.typed && token !== board.blank && board.glyphs[token] !== "." ? token : null);
    const all = puzzle.map((_, cell) => cell), rows = (cell) => Math.floor(cell / board.columns), columns = (cell) => cell % board.columns;
    const repeats = new Set();
    for (const group of [rows, columns, (cell) => board.groups[0][cell]]) {
      const seen = new Map();
      for (const cell of all) {
        const key = digit(answer[cell]) === null ? null : `${group(cell)} ${answer[cell]}`;
        if (key === null) continue;
        if (seen.has(key)) repeats.add(cell).add(seen.get(key));
        else seen.set(key, cell);
      }
    }
    return faultsOf({
      "leaves cells empty": all.filter((cell) => digit(answer[cell]) === null),
      "breaks the rules": [...repeats],
      "changes clues": all.filter((cell) => digit(puzzle[cell]) !== null && puzzle[cell] !== answer[cell]),
    });
  },

  /** The maze is kept, and the cells marked as path are those of one shortest way from start to goal. */
  maze(board, puzzle, answer) {
    const at = (tokens, cell) => board.glyphs[tokens[cell]], all = puzzle.map((_, cell) => cell);
    const starts = all.filter((cell) => at(puzzle, cell) === "S"), goals = all.filter((cell) => at(puzzle, cell) === "G");
    if (starts.length !== 1 || goals.length !== 1) {
      return { faults: ["has not one start and one goal"], cells: new Set([...starts, ...goals]) };
    }
    const [start] = starts, [goal] = goals;
    const best = moves(board, all.filter((cell) => at(puzzle, cell) !== "#"), start).get(goal);
    if (best === undefined) return faultsOf({ "has no way from start to goal": [start, goal] });
    const marked = all.filter((cell) => at(answer, cell) === "o" && at(puzzle, cell) === ".");
    const walked = moves(board, [...marked, start, goal], start);
    const changed = all.filter((cell) => puzzle[cell] !== answer[cell] && !marked.includes(cell));
    const apart = marked.filter((cell) => !walked.has(cell)), ends = walked.has(goal) ? [] : [start, goal];
    const isLong = !ends.length && !apart.length && (walked.get(goal) > best || marked.length !== best - 1);
    return faultsOf({
      "changes the maze": changed,
      "leaves path cells without connection": apart,
      "leaves the path broken": ends,
      "takes more moves than a shortest path": isLong ? marked : [],
    });
  },
};

/** The moves from a cell to each that can be reached over the given ones. */
function moves({ columns }, cells, start) {
  const open = new Set(cells), found = new Map([[start, 0]]), queue = [start];
  for (const cell of queue) {
    const column = cell % columns;
    const beside = [cell - columns, cell + columns, ...(column ? [cell - 1] : []), ...(column < columns - 1 ? [cell + 1] : [])];
    for (const next of beside) {
      if (open.has(next) && !found.has(next)) { found.set(next, found.get(cell) + 1); queue.push(next); }
    }
  }
  return found;
}

function faultsOf(found) {
  const faults = Object.entries(found).filter(([, cells]) => cells.length);
  return { faults: faults.map(([fault]) => fault), cells: new Set(faults.flatMap(([, cells]) => cells)) };
}

/** What can be said of an answer: `right` is true, false, or null if nobody knows; `wrong` holds the faulty cells. */
function judge(board, puzzle, answer, solution) {
  const differs = (solution || []).flatMap((token, cell) => (token >= 0 && token !== answer[cell] ? [cell] : []));
  const rule = RULES[board.family];
  if (rule) {
    const { faults, cells } = rule(board, puzzle, answer);
    if (!faults.length) return { right: true, text: "valid", wrong: new Set() };
    return { right: false, text: `not valid: ${faults.join(" and ")}`, wrong: solution ? new Set(differs) : cells };
  }
  if (!solution) return { right: null, text: "rule unknown here", wrong: new Set() };
  const cells = `${differs.length} ${differs.length === 1 ? "cell" : "cells"}`;
  return differs.length
    ? { right: false, text: `differs from the known solution in ${cells}`, wrong: new Set(differs) }
    : { right: true, text: "equals the known solution", wrong: new Set() };
}
