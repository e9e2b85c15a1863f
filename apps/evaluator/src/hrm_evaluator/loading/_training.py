"""How long a run has trained, from its reports."""

from hrm_train import RunDirectory


def training_seconds(run: RunDirectory, steps: int) -> float | None:
    """Return the seconds that the first steps of a run took, without its evaluations and pauses.

    Each report has the rate of the steps before it; steps without a report count at the mean rate of the others.

    Args:
        run: The run.
        steps: Number of steps.

    Returns:
        Seconds; None without a report.
    """
    seconds, reported = 0.0, 0
    for report in run.read_metrics():
        rate = report.get("steps_per_second")
        if report.get("kind") == "train" and reported < report["step"] <= steps and rate:
            seconds += (report["step"] - reported) / rate
            reported = report["step"]
    return seconds * steps / reported if reported else None
