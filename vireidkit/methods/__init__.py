"""Methods: one paper a file, each a network with its objective and recipes. Importing this package registers them all."""

from vireidkit.methods import agw, idkl, lightos, mdkt, mdpr, smmd  # register themselves
from vireidkit.methods.base import Method
from vireidkit.methods.recipe import Progress, Recipe, Stage
from vireidkit.methods.registry import (
    build_method,
    default_profile,
    get_recipe,
    list_methods,
    list_recipes,
    method_class,
    register,
    start_weights,
    with_overrides,
)

__all__ = [
    "Method",
    "Progress",
    "Recipe",
    "Stage",
    "agw",
    "build_method",
    "default_profile",
    "get_recipe",
    "idkl",
    "lightos",
    "list_methods",
    "list_recipes",
    "mdkt",
    "mdpr",
    "method_class",
    "register",
    "smmd",
    "start_weights",
    "with_overrides",
]
