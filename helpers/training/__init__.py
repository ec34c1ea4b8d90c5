"""Training: the notes to train on, losses, a trainer for the two networks, whole runs, and figures.

    notes = dataset.open_data("soundfont:", config, "outputs/cache")
    trainer = Trainer(config, notes.pitch_counts, seed=0)
    trainer.step(*Shuffled(notes, seed=0)(trainer.global_step, trainer.batch_size))

`dataset` reads notes, `losses` defines the losses, `trainer` takes one step, `loop` does a whole run for
`python -m helpers.train`, `hosts` lets several processes train together, and `plots` draws figures. Nothing is
imported here, so that a program's --help is fast.

Notebook: 08_train.
"""
