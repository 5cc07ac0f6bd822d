export const DEFAULT = "red";
export const twice = (number: number) => number * 2;
