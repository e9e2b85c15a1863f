"use strict";
// A board on the page: cells in a grid, with their labels, of which one at a time has the focus.

class Board {
  /** `element` is the grid, `looksAt` is called with the number of a cell that is pointed at or has the focus. */
  constructor(element, looksAt) {
    this.element = element;
    this.active = 0;
    element.addEventListener("focusin", ({ target }) => { this.active = this.cells.indexOf(target); this.rove(); looksAt(this.active); });
    element.addEventListener("pointerover", ({ target }) => { if (this.cells.includes(target)) looksAt(this.cells.indexOf(target)); });
  }

  /** Makes the cells of a board; `shown` are the rows and columns that hold something. */
  lay(board, shown) {
    this.board = board;
    this.shown = shown;
    this.cells = [];
    const { style } = this.element;
    style.gridTemplateColumns = `repeat(${shown.columns}, minmax(0, 1fr))`;
    style.gridTemplateRows = `repeat(${shown.rows}, minmax(0, 1fr))`;
    style.aspectRatio = `${shown.columns} / ${shown.rows}`;
    style.setProperty("--columns", shown.columns);
    this.element.replaceChildren(...Array.from({ length: shown.rows }, (_, row) => {
      const line = document.createElement("div");
      line.className = "line";
      for (let column = 0; column < shown.columns; column++) {
        const cell = document.createElement("div");
        this.cells.push(cell);
        line.append(cell);
      }
      return line;
    }));
    if (this.isGrid) {
      [...this.element.children].forEach((line) => line.setAttribute("role", "row"));
      this.cells.forEach((cell) => cell.setAttribute("role", "gridcell"));
    }
    this.active = Math.min(this.active, this.cells.length - 1);
    this.rove();
  }

  get isGrid() { return this.element.getAttribute("role") === "grid"; }

  /** The one cell that Tab reaches. */
  rove() { if (this.isGrid) this.cells.forEach((cell, at) => { cell.tabIndex = at === this.active ? 0 : -1; }); }

  move(rows, columns) {
    const row = Math.floor(this.active / this.shown.columns) + rows, column = this.active % this.shown.columns + columns;
    if (row < 0 || row >= this.shown.rows || column < 0 || column >= this.shown.columns) return;
    this.cells[row * this.shown.columns + column].focus();
  }

  /** The token of the active cell. */
  get place() { return this.placeOf(this.active); }

  placeOf(at) {
    const { columns } = this.shown;
    return this.board.cells.indexOf(Math.floor(at / columns) * this.board.columns + at % columns);
  }

  /** Shows a glyph in each cell; `look(place)` gives { token, classes, sureness, label }. */
  paint(look) { this.cells.forEach((cell, at) => this.dress(cell, at, look(this.placeOf(at)))); }

  dress(cell, at, { token, classes = [], sureness = null, label = "" }) {
    const { glyphs, colours, rowBreaks, columnBreaks } = this.board, { columns } = this.shown;
    const glyph = token === undefined ? "" : glyphs[token], fill = colours[glyph];
    const names = ["cell", ...classes];
    if (rowBreaks.includes(Math.floor(at / columns))) names.push("below");
    if (columnBreaks.includes(at % columns)) names.push("behind");
    if (fill) names.push("filled");
    if (!glyph) names.push("outside");
    if (sureness !== null) names.push("thought");
    const sure = sureness === null ? "1" : sureness.toFixed(3), look = [...names, glyph, sure, label].join(" ");
    if (cell.look === look) return; // most cells stay as they are from step to step
    cell.look = look;
    cell.className = names.join(" ");
    cell.style.setProperty("--fill", fill || "transparent");
    cell.style.setProperty("--sure", sure);
    cell.textContent = fill || glyph === "." ? "" : glyph;
    if (this.isGrid) cell.setAttribute("aria-label", `Row ${Math.floor(at / columns) + 1}, column ${at % columns + 1}: ${label}`);
  }
}
