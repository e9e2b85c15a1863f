"""The families of ARC tasks, as the registry knows them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hrm_data._progress import Progress
from hrm_data.arc._options import ArcOptions
from hrm_data.task._family import FEWER_CYCLES, SMALL_BOARD_MODEL, ComputedSets, TaskDefaults, TaskFamily

if TYPE_CHECKING:
    from hrm_data.arc._task import ArcTask

# The published setting: reference configuration of arXiv 2506.21734, where it differs from that for Sudoku.
_PAPER = {
    "epochs": 100_000,
    "lr": 1e-4,
    "puzzle_emb_lr": 1e-2,
    "weight_decay": 0.1,
    "puzzle_emb_weight_decay": 0.1,
}


def _family(name: str, summary: str, published: str) -> TaskFamily:
    def build(root: Path, options: ArcOptions, progress: Progress) -> Path:
        from hrm_data.arc._build import build_arc  # here, so that help does not wait for NumPy

        return build_arc(root, options, progress, name=name)

    def task(description: Mapping[str, Any]) -> ArcTask:
        from hrm_data.arc._task import ArcTask

        return ArcTask(name)

    def files(options: ArcOptions) -> list[Path]:
        from hrm_data.arc.reading._files import source_files
        from hrm_data.arc.reading._select import held_out_paths

        sources = (*options.source, *held_out_paths(options.held_out))
        return [file for source in sources for file in source_files(source)]

    def computed(root: Path) -> ComputedSets | None:
        from hrm_data.arc._online import computed_sets

        return computed_sets(root)

    paper = TaskDefaults(
        summary=f"{published}, each with 1,000 augmented copies.",
        base="paper",
        data={"augmentations": 1000},
        train=_PAPER,
    )
    return TaskFamily(
        name=name,
        summary=summary,
        options=ArcOptions,
        build=build,
        task=task,
        files=files,
        computed=computed,
        presets={
            "paper": paper,
            **paper.relatives(FEWER_CYCLES),
            # How it was found: docs/recipe.md.
            "small": TaskDefaults(
                summary="20 training and 20 evaluation tasks with 8 copies each.",
                base="small",
                data={"augmentations": 8, "subset": 20},
                arch={
                    **SMALL_BOARD_MODEL,
                    "mixer": "neighbours",
                    "puzzle_emb_ndim": 64,
                    "halt_loss": "bce",
                    "halt_max_steps": 4,
                },
                train={
                    "steps": 2400,
                    "global_batch_size": 8,
                    "halt_warmup_steps": 800,
                    "eval_interval": 2400,
                    "checkpoint_interval": 500,
                    "lr": 1e-3,
                    "puzzle_emb_lr": 1e-2,
                    "puzzle_emb_weight_decay": 0.1,
                },
            ),
        },
    )


ARC1 = _family(
    "arc1", "ARC-AGI-1 with ConceptARC, from task files or downloaded.", "960 tasks of ARC-AGI-1 and ConceptARC"
)
ARC2 = _family("arc2", "ARC-AGI-2, from task files or downloaded.", "1,120 tasks of ARC-AGI-2")
