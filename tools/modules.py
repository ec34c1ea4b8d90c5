"""Print the arguments of `make docs` for pdoc: `helpers`, and each module that its package omits from `__all__`.

pdoc finds all other modules itself, and warns of modules that are named twice.
"""

import importlib
import pkgutil

import helpers

print("helpers")
for module in pkgutil.walk_packages(helpers.__path__, "helpers."):
    package, _, name = module.name.rpartition(".")
    if name not in getattr(importlib.import_module(package), "__all__", [name]) and package != "helpers.data":
        print(module.name)
