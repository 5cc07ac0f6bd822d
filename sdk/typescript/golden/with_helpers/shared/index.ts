export const NAME = "shared";
