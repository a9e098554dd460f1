"""Recipes: one pydantic model an algorithm, the validated description of one training run.

Every default, bound, label and help text stands here, once, on the field; the form of the page, the command line and the docs
are derived from it. Nothing here reads files (``lab/store/presets.py`` does) or knows a trainer.
"""

from lab.core.recipes.adapted import AdaptedRecipe, RowsRecipe, Training
from lab.core.recipes.common import EQUATIONS, Device, MeasuredOn, Precision, Recipe, Schedule, Tracker
from lab.core.recipes.fields import Section, micro_batch, snap_to_multiple
from lab.core.recipes.grpo import GrpoRecipe, RatioLevel, Threshold
from lab.core.recipes.pairs import DpoRecipe, RmRecipe
from lab.core.recipes.parsing import RECIPES, parse, with_values
from lab.core.recipes.ppo import Critic, PpoRecipe
from lab.core.recipes.pretrain import PretrainRecipe
from lab.core.recipes.sampling import ImportanceCorrection, LossType, Rollouts, RuleUse, SampledRecipe
from lab.core.recipes.sft import SftRecipe

__all__ = [
    "EQUATIONS",
    "RECIPES",
    "AdaptedRecipe",
    "Critic",
    "Device",
    "DpoRecipe",
    "GrpoRecipe",
    "ImportanceCorrection",
    "LossType",
    "MeasuredOn",
    "PpoRecipe",
    "Precision",
    "PretrainRecipe",
    "RatioLevel",
    "Recipe",
    "RmRecipe",
    "Rollouts",
    "RowsRecipe",
    "RuleUse",
    "SampledRecipe",
    "Schedule",
    "Section",
    "SftRecipe",
    "Threshold",
    "Tracker",
    "Training",
    "micro_batch",
    "parse",
    "snap_to_multiple",
    "with_values",
]
