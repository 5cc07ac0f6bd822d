"""No class: functions of a module, plain values as answers."""

from mockforge_plugin import function


def init(config):
    global suffix
    suffix = config.get("suffix", "")


def generate(request):
    if request.path == "/list":
        return [1, 2.5, None, True, "ü"]
    if request.path == "/text":
        return "plain " + suffix
    if request.path == "/dict":
        return {"a": {"b": (1, 2)}, 1: "one"}
    if request.path == "/number":
        return 5
    return None


@function
def shout(text: str) -> str:
    """Upper case, with an exclamation mark."""
    return text.upper() + suffix + "!"
