"""Training: notes to learn from, losses, the two networks and their optimizers, the run, and pictures of it.

    notes = dataset.open_data("soundfont:", config, "outputs/cache")
    trainer = Trainer(config, notes.pitch_counts, seed=0)
    trainer.step(*Shuffled(notes, seed=0)(trainer.global_step, trainer.batch_size))

`dataset` reads notes, `losses` is what the networks are trained for, `trainer` does one step, `loop` a whole run, as
`python -m helpers.train` does, `hosts` lets several processes train together, and `plots` draws. Nothing is imported
here, so that a program's --help is quick.

Notebook: 08_train.
"""
