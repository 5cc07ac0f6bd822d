import { DEFAULT } from "../helper.js";
import { NAME } from "./index.js";

export const KNOWN = [DEFAULT, "blue"];
export const mix = (first: string, second: string) => `${first}+${second} (${NAME})`;
