"""
The operators, under one import path.

Thin: they check what a Dag author gave, call the hook and the pure parts, and hand a manifest on. Modules that cost
time to import (HTTP clients, storage) are imported when a task runs, not when a Dag is parsed.
"""

from __future__ import annotations

from raydocs_provider.operators.documents import RaydocsCreateSessionsOperator, RaydocsUploadOperator
from raydocs_provider.operators.extract import RaydocsExtractOperator
from raydocs_provider.operators.template import RaydocsTemplateOperator

__all__ = [
    "RaydocsCreateSessionsOperator",
    "RaydocsExtractOperator",
    "RaydocsTemplateOperator",
    "RaydocsUploadOperator",
]
