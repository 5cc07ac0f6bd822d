/** Imported first by a component's entry, so that the author's modules, which run next, find everything in place. */

import { install } from "./globals.js";

install();
