"use strict";
// Text: reads a puzzle as people write it, in one line or in rows, with frames, commas or spaces, into tokens.

const SEPARATORS = /[,;:/\\|¦"'`()[\]{}<>+\u2500-\u257f]/gu;
const FIELDS = /[,;\t]/;
const BARS = /[|¦\u2500-\u257f]/gu;

/** Returns { tokens } for text that is a puzzle, else { problem }, one sentence. */
function readPuzzle(text, board) {
  const lines = text.normalize("NFKC").replace(/\r\n?/g, "\n").split("\n")
    .filter((line) => line.trim() || hasFields(line, board));
  if (!lines.length) return { problem: `The text is empty; write ${wanted(board)}.` };
  if (board.canvas) return readGrid(lines, board);
  const size = board.rows * board.columns;
  const whole = lines.length === 1 && [lines[0], lines[0].trim()].find((line) => line.length === size && isRow([...line], board));
  if (whole) return toTokens([...whole], board);
  const kinds = lines.map((line) => kindOf(line, board));
  const withRules = lines.filter((_, at) => kinds[at] !== "frame"), withoutRules = lines.filter((_, at) => kinds[at] === "row");
  const kept = withoutRules.length === board.rows ? withoutRules : withRules;
  if (kept.length === board.rows) {
    for (const read of readings(board)) {
      const rows = kept.map(read);
      const fits = rows.every((row) => row && row.length === board.columns && isRow(row, board));
      if (fits && !hasTwoBlanks(rows.flat(), board)) return toTokens(rows.flat(), board);
    }
  }
  const rows = kept.map((line) => [...withoutSeparators(line, board)]), cells = rows.flat();
  if (cells.length === size && (kept.length !== board.rows || rows.every((row) => row.length === board.columns))) return toTokens(cells, board);
  const odd = rows.findIndex((row) => row.length !== board.columns);
  if (kept.length === board.rows && odd >= 0) {
    const has = `Row ${odd + 1} has ${rows[odd].length} cells, but ${board.task} has ${board.columns} in a row`;
    return { problem: `${has}; write ${wanted(board)}.` };
  }
  return { problem: `The text has ${cells.length} cells, but ${board.task} has ${size}; write ${wanted(board)}.` };
}

/** Whether a line is a row, part of a frame, or a rule: part of a frame or a row of blanks. */
function kindOf(line, board) {
  const compact = withoutSeparators(line, board);
  if (!compact && !(" " in board.typed)) return hasFields(line, board) ? "row" : "frame"; // else brackets or bars alone
  if (!/^[\s\-=_~+*.:|¦\u2500-\u257f]+$/u.test(line) || !/[-=_~\u2500-\u257f]{3}|[+:|¦]/u.test(line)) return "row";
  if (compact.length !== board.columns || line.includes("+")) return "frame";
  return /^([-=_~])\1*$/.test(compact) ? "rule" : "row";
}

function hasFields(line, board) { return board.columns > 1 && line.split(FIELDS).length === board.columns; }

/** The ways in which all rows of a board may be written, each from a line to its cells, or to null. */
function readings(board) {
  const spaced = [[0, 1, 0], [0, 2, -1], [1, 2, 1]].map(([first, step, more]) => (line) => withSpaces(line, board.columns, first, step, more));
  const compact = (line) => [...withoutSeparators(line, board)];
  const fields = (line) => line.split(FIELDS).map((field) => field.trim() || " ");
  return " " in board.typed ? [spaced[0], compact, ...spaced.slice(1), fields] : [compact, fields, ...spaced];
}

/**
 * Cells of which some are spaces, within bars or not. Of each piece between bars the cells are every `step`th character
 * from the `first`; it has `step` times as many characters as cells, and `more`. Spaces at the end may be missing.
 */
function withSpaces(line, count, first, step, more) {
  const pieces = line.replace(/\s+$/, "").split(BARS);
  if (pieces.length > 1 && !pieces[0].trim()) pieces.shift();
  if (pieces.length > 1 && !pieces.at(-1).trim()) pieces.pop();
  const each = count / pieces.length, width = step * each + more;
  if (pieces.some((piece, at) => piece.length !== width && (at < pieces.length - 1 || piece.length > width))) return null;
  const padded = pieces.map((piece) => [...piece.padEnd(width)]);
  if (padded.some((piece) => piece.some((char, i) => (i - first) % step && char !== " "))) return null;
  return padded.flatMap((piece) => piece.filter((_, i) => i >= first && (i - first) % step === 0).slice(0, each));
}

/** Whether spaces stand for empty cells beside another character that does: then a cell is missing. */
function hasTwoBlanks(cells, board) {
  return !(" " in board.typed) && cells.includes(" ") && cells.some((char) => char !== " " && tokenOf(char, board) === board.blank);
}

function isRow(cells, board) { return cells.every((char) => tokenOf(char, board) !== undefined); }

/** Rows of a board that may be smaller than its canvas. */
function readGrid(lines, board) {
  const rows = lines.flatMap((line) => line.split(/[/\n]|\]\s*,/)).map((row) => [...withoutSeparators(row, board)]).filter((row) => row.length);
  for (const [i, row] of rows.entries()) {
    const j = row.findIndex((char) => !(char in board.typed));
    if (j >= 0) return unknown(row[j], i, j, board);
  }
  const width = rows.length ? rows[0].length : 0, odd = rows.findIndex((row) => row.length !== width);
  if (odd > 0) return { problem: `Row ${odd + 1} has ${rows[odd].length} cells, but row 1 has ${width}; give all rows as many.` };
  if (!width || rows.length > board.rows || width > board.columns) {
    return { problem: `The text has ${rows.length} rows of ${width} cells, but ${board.task} has 1 to ${board.rows} of 1 to ${board.columns}.` };
  }
  return { tokens: onCanvas(rows.map((row) => row.map((char) => board.typed[char])), board) };
}

/** The tokens of a board in the upper left corner of its canvas, with an edge to the right and below. */
function onCanvas(rows, { rows: height, columns: width, canvas: { edge, outside } }) {
  const tokens = new Array(height * width).fill(outside);
  rows.forEach((row, i) => {
    row.forEach((token, j) => { tokens[i * width + j] = token; });
    if (row.length < width) tokens[i * width + row.length] = edge;
  });
  if (rows.length < height) rows[0].forEach((_, j) => { tokens[rows.length * width + j] = edge; });
  return tokens;
}

function withoutSeparators(line, board) {
  return [...line].filter((char) => !/\s/.test(char) && (char in board.typed || !char.match(SEPARATORS))).join("");
}

/** The token of a character; a space is an empty cell where nothing else is. */
function tokenOf(char, board) {
  return char in board.typed ? board.typed[char] : char === " " && board.blank !== null ? board.blank : undefined;
}

/** Tokens in the order of the model, from cells in reading order, or the problem with one of them. */
function toTokens(cells, board) {
  const bad = cells.findIndex((char) => tokenOf(char, board) === undefined);
  if (bad >= 0) return unknown(cells[bad], Math.floor(bad / board.columns), bad % board.columns, board);
  return { tokens: board.cells.map((cell) => tokenOf(cells[cell], board)) };
}

function unknown(char, row, column, board) {
  return { problem: `${JSON.stringify(char)} in row ${row + 1}, column ${column + 1} is no cell of ${board.task}; write ${wanted(board)}.` };
}

/** What a puzzle is made of, for the sentence about a wrong one. */
function wanted(board) {
  const blanks = Object.keys(board.typed).filter((char) => board.typed[char] === board.blank && char.trim() && !/[a-z?]/i.test(char));
  const values = Object.keys(board.typed).filter((char) => board.typed[char] !== board.blank && char.trim() && board.glyphs.includes(char));
  const size = board.canvas ? `rows of up to ${board.columns} cells` : `${board.rows} rows of ${board.columns} cells`;
  return `${size} out of ${values.join(" ")}${blanks.length ? `, with ${blanks.join(" ")} for an empty one` : ""}`;
}
