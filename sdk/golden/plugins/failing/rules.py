def check(path):
    return {"known": 1}[path]
