"""Exports of a package that are imported when they are first asked for.

``htaflow --help`` must not wait for NumPy, nor the names of the zoo for PyTorch, so the packages
that they are in import nothing by themselves. Nor may a package import a module that is run as a
program, as that of a build beside others is.
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any


def export(package: str, modules: Mapping[str, str]) -> None:
    """Make ``package`` export names, separated by spaces, of modules by their path inside it.

    A module may bear the name of a function that it defines, as a verb's module does. Python makes
    a module that is imported an attribute of its package; the function stays the attribute here.
    """
    module = sys.modules[package]
    module.__dict__["_homes"] = {
        name: f"{package}.{path}" for path, names in modules.items() for name in names.split()
    }
    module.__class__ = _LazyPackage


class _LazyPackage(ModuleType):
    _homes: dict[str, str]

    def __getattr__(self, name: str) -> Any:
        if name not in self._homes:
            raise AttributeError(f"module '{self.__name__}' has no attribute '{name}'")
        value = getattr(import_module(self._homes[name]), name)
        self.__dict__[name] = value
        return value

    def __setattr__(self, name: str, value: object) -> None:
        if not (isinstance(value, ModuleType) and name in self._homes):
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*self.__dict__, *self._homes})
