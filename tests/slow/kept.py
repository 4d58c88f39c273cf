"""Parts of the documentation that programs write, between two comments that name them."""


def read(path, name):
    """The text of a part, without the line ends around it."""
    return _parts(path, name)[1].strip("\n")


def write(path, name, text):
    """Puts another text in place of a part."""
    before, _, after = _parts(path, name)
    path.write_text(f"{before}\n{text}\n\n{after}")


def _parts(path, name):
    begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->\n"
    before, begun, rest = path.read_text().partition(begin)
    inside, ended, after = rest.partition(end)
    if not begun or not ended:
        raise ValueError(f"{path}: no {begin.strip()} ... {end.strip()}")
    return before + begin, inside, end + after
