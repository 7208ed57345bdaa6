"""Defines what all parts of a record share: strict types, and limits within which everything can be drawn."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

#: larger numbers are mistakes, and drawing them would overflow
LARGEST = 1e100
LARGEST_COUNT = 10**15

Name = Annotated[str, Field(min_length=1, max_length=300)]
Number = Annotated[float, Field(ge=-LARGEST, le=LARGEST)]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1, le=LARGEST_COUNT)]
Whole = Annotated[int, Field(ge=0, le=LARGEST_COUNT)]
Cost = Annotated[float, Field(ge=0, le=LARGEST_COUNT)]


class RecordPart(BaseModel):
    """A part of a record; what newer versions add to it is kept."""

    # strict: "1" is no number and 1 is no bool
    model_config = ConfigDict(strict=True, extra="allow", allow_inf_nan=False, ser_json_inf_nan="constants")
