"""What `make docs` gives to pdoc: `helpers`, and each module that its package does not name in `__all__`.

pdoc finds all others by itself, and warns of what is named twice.
"""

import importlib
import pkgutil

import helpers

print("helpers")
for module in pkgutil.walk_packages(helpers.__path__, "helpers."):
    package, _, name = module.name.rpartition(".")
    if name not in getattr(importlib.import_module(package), "__all__", [name]) and package != "helpers.data":
        print(module.name)
