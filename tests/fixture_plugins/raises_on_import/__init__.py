"""A plugin that cannot be imported."""

from raises_on_import.licence import find_licence

find_licence()
