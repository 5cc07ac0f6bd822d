"""What wrk runs in Lua, so that no request is like another: made from a case, whose `{n}` counts up."""

from __future__ import annotations

import json

from benchmarks.cases import Case

CHECKED = "Answers checked: "


def script(case: Case, *, first: int, check: bool) -> str:
    """The script. `check`: each answer must hold what `case.answer` says, for a number that no answer had before; a wrong one is
    counted and the first is printed. That takes the load generator's time, so it is not for a turn that counts."""
    headers = ", ".join(f"[{json.dumps(name)}] = {expression(value)}" for name, value in case.headers.items())
    lines = [
        f"local n = {first}",
        "function request()",
        "  n = n + 1",
        f"  local body = {expression(case.body) if case.body else 'nil'}",
        f"  return wrk.format({json.dumps(case.method)}, {expression(case.path)}, {{{headers}}}, body)",
        "end",
    ]
    return "\n".join([*lines, *(_checking(case) if check else []), ""])


def expression(text: str) -> str:
    """A Lua expression: the text with the number in it."""
    return " .. n .. ".join(json.dumps(part, ensure_ascii=True) for part in text.split("{n}"))


def _checking(case: Case) -> list[str]:
    before, _, after = case.answer[0].partition("{n}")
    wanted = ", ".join(expression(part) for part in case.answer)
    return [
        "local seen = {}",
        "answers, wrong, sample = 0, 0, ''",
        "function response(status, headers, body)",
        "  answers = answers + 1",
        f"  local _, from = body:find({json.dumps(before)}, 1, true)",
        f"  local to = from and body:find({json.dumps(after)}, from + 1, true)",
        "  local n = to and body:sub(from + 1, to - 1)",
        "  local right = n and not seen[n]",
        "  if right then",
        "    seen[n] = true",
        f"    for _, part in ipairs({{{wanted}}}) do right = right and body:find(part, 1, true) end",
        "  end",
        "  if not right then",
        "    wrong = wrong + 1",
        "    if wrong == 1 then sample = status .. ' ' .. body end",
        "  end",
        "end",
        "local threads = {}",
        "function setup(thread) table.insert(threads, thread) end",
        "function done()",
        "  for _, thread in ipairs(threads) do",
        f'    print("{CHECKED}" .. thread:get("answers") .. ", wrong: " .. thread:get("wrong") .. " " .. thread:get("sample"))',
        "  end",
        "end",
    ]
