/** Every golden plugin, in one component: an instance is told which of them it is. */

export { default as api_key } from "./api_key.js";
export { default as awaiting } from "./awaiting.js";
export { default as cookies } from "./cookies.js";
export { default as failing } from "./failing/plugin.js";
export { default as greet } from "./greet.js";
export { default as large_body } from "./large_body.js";
export { default as oidc_login } from "./oidc_login.js";
export { default as paged_orders } from "./paged_orders.js";
export { default as people } from "./people.js";
export { default as plates } from "./plates.js";
export { default as plain } from "./plain.js";
export { default as stamp } from "./stamp.js";
export { default as stock } from "./stock.js";
export { default as text_functions } from "./text_functions.js";
export { default as with_helpers } from "./with_helpers/plugin.js";
