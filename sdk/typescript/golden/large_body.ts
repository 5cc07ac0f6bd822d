/** Looks at a large body in chunks, and changes it only when it must. */

import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex } from "@noble/hashes/utils.js";
import { plugin } from "mockforge-plugin";

const CHUNK = 32_768;

export default plugin<{ from_bytes?: number }>({
  modifier: {
    modify(request, response, ctx) {
      if (response.size < (ctx.config.from_bytes ?? 1)) return null;
      if (request.param("how") === "digest") {
        const digest = sha256.create();
        let offset = 0;
        for (let chunk; (chunk = response.bytes({ offset, length: CHUNK })).length; offset += chunk.length) digest.update(chunk);
        return response.withHeaders({ "x-sha256": bytesToHex(digest.digest()), "x-bytes": String(offset) });
      }
      if (request.param("how") === "upper") return response.replace({ body: response.text().toUpperCase().slice(0, 64) });
      return response.withHeaders({ "x-bytes": String(response.size) });
    },
  },
});
