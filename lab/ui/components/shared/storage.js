// What a browser keeps: JSON under a name, in storage that may be full, forbidden or hold nonsense. It knows no server.

/**
 * The value; `otherwise` where there is none, or one of another type.
 * @template T
 * @param {Storage} storage
 * @param {string} name
 * @param {T} otherwise
 * @returns {T}
 */
function readKept(storage, name, otherwise) {
  try {
    const value = JSON.parse(storage.getItem(name));
    const fits =
      value !== null && typeof value === typeof otherwise && Array.isArray(value) === Array.isArray(otherwise);
    return fits ? value : otherwise;
  } catch {
    return otherwise;
  }
}

/**
 * Whether it was really kept.
 * @param {Storage} storage
 * @param {string} name
 * @param {unknown} value
 */
function writeKept(storage, name, value) {
  try {
    storage.setItem(name, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

function dropKept(storage, name) {
  try {
    storage.removeItem(name);
  } catch {
    // Where nothing can be kept there is nothing to drop.
  }
}

function namesKept(storage, prefix) {
  try {
    return Object.keys(storage)
      .filter((name) => name.startsWith(prefix))
      .sort();
  } catch {
    return [];
  }
}
