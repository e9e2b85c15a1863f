"""How scores and boards are shown: on the terminal, as a page, as charts and as pictures."""
