"""Finding and opening what a command needs: checkpoint, model, dataset and task, checked against each other."""
