"""Looks at a large body in chunks, and changes it only when it must."""

import hashlib

from mockforge_plugin import ModifierPlugin

CHUNK = 32_768


class LargeBody(ModifierPlugin):
    async def modify(self, request, response):
        total = response.body.size
        if total < self.config.get("from_bytes", 1):
            return None
        if request.query.get("how") == "digest":
            digest, offset = hashlib.sha256(), 0
            while chunk := await response.read(offset=offset, length=CHUNK):
                digest.update(chunk)
                offset += len(chunk)
            return response.with_headers({"x-sha256": digest.hexdigest(), "x-bytes": str(offset)})
        if request.query.get("how") == "upper":
            return response.replace(body=(await response.read()).upper()[:64])
        return response.with_headers({"x-bytes": str(total)})
