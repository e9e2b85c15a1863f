for (const root of document.querySelectorAll(".hrm[data-steps]:not([data-ready])")) {
  const steps = JSON.parse(root.dataset.steps), colours = JSON.parse(root.dataset.colours);
  const [given, answer] = [...root.querySelectorAll("table")].map((table) => [...table.querySelectorAll("td")]);
  const slider = root.querySelector("input"), output = root.querySelector("output");
  const puzzle = given.map((cell) => cell.textContent);
  const show = () => {
    const [characters, marks, sure] = steps[slider.value - 1], symbols = [...characters];
    answer.forEach((cell, at) => {
      const symbol = symbols[at], mark = marks[at].toLowerCase(), fill = colours[symbol];
      const text = fill || symbol === "." ? "" : symbol;
      cell.textContent = text;
      cell.classList.toggle("right", mark === "r");
      cell.classList.toggle("wrong", mark === "w");
      cell.classList.toggle("given", !"rw".includes(mark) && text.trim() !== "" && text === puzzle[at]);
      cell.classList.toggle("filled", Boolean(fill));
      cell.style.setProperty("--fill", fill || "");
    });
    output.textContent = `${slider.value} of ${steps.length}, ${sure}% sure`;
  };
  slider.addEventListener("input", show);
  root.dataset.ready = "";
  root.querySelector("label").hidden = false;
  show();
}
