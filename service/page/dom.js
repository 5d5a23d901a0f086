// Elements of the page, by their id.

export const at = (id) => document.getElementById(id);
export const on = (id, event, handler) => at(id).addEventListener(event, handler);
