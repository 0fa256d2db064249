// What the page shows, kept in its address: a copied link shows the same.

const defaults = {
  view: "flame", search: "", anycase: "", order: "name", palette: "kind", width: "after",
  merge: "", recursion: "", only: "", of: "", hidden: "", zoom: "", theme: "",
  where: "", range: "", base: "", window: "", heat: "", period: "", by: about.equal, changes: "",
};

class State {
  constructor() {
    Object.assign(this, defaults);
    this.listeners = [];
    this.read();
    window.addEventListener("hashchange", () => {
      if (this.text() !== location.hash.slice(1)) {
        this.read();
        this.tell();
      }
    });
  }

  read() {
    const given = new URLSearchParams(location.hash.slice(1));
    for (const name of Object.keys(defaults)) this[name] = given.get(name) ?? defaults[name];
  }

  text() {
    const parameters = new URLSearchParams();
    for (const name of Object.keys(defaults)) {
      if (this[name] !== defaults[name]) parameters.set(name, this[name]);
    }
    return parameters.toString();
  }

  // Changes some of it. Each step can be gone back, but for those that come with every key.
  set(changes, step = true) {
    Object.assign(this, changes);
    const text = this.text();
    if (text !== location.hash.slice(1)) {
      const address = text ? "#" + text : location.pathname + location.search;
      try {
        history[step ? "pushState" : "replaceState"](null, "", address);
      } catch (error) {
        location.hash = text; // Pages from a file have no history in some browsers.
      }
    }
    this.tell();
  }

  tell() {
    for (const listener of this.listeners) listener();
  }

  list(name) {
    return this[name] ? this[name].split(".").map(Number) : [];
  }
}
