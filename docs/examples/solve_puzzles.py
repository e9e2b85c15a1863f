"""Solve puzzles with a trained model: `python docs/examples/solve_puzzles.py [CHECKPOINT] < puzzles.txt`."""

import sys

from hrm_evaluator import UserError, load

solver = load(sys.argv[1] if len(sys.argv) > 1 else None)  # the newest run under runs/, or what is named
print(f"{solver.path}: {solver.task.name}, at most {solver.max_steps} steps")

boards = []
for number, line in solver.task.find_puzzles(sys.stdin):  # without comments and blank lines
    try:
        boards.append(solver.read(line))
    except UserError as error:
        print(f"line {number}: {error}")

for solution in solver.solve_many(boards):  # in order, each as soon as it is there
    verdict = "valid" if solution.valid else " and ".join(solution.faults)
    print(f"{solution.text}  {verdict}, {solution.steps} steps, {solution.confidence:.0%} sure")

if boards:
    print("\nThe first one, step by step:")
    for step, board in enumerate(solver.solve(boards[0], trace=True).trace, start=1):
        print(f"\nafter {step}:\n{solver.task.render(board)}")
