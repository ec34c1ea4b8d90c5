def mount(mountpoint, **options):
    raise ValueError("mount failed")  # as if the reader had refused
