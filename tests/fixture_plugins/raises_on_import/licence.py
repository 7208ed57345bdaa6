"""Where it fails."""


def find_licence():
    raise RuntimeError("no \x1b[31mlicence\x1b[0m\nfile")
