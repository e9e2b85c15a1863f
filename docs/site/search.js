// The search takes a word with a leading dash for one to leave out; people paste flags, such as --votes.
document.addEventListener("input", ({ target }) => {
  if (target.matches(".md-search__input")) target.value = target.value.replace(/(^|\s)-+(?=\w)/g, "$1");
}, true);
