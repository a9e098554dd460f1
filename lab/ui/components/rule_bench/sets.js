// The head of the bench: the rule set's name and version, saving and opening, sharing as a file, undo, and the way to
// training. Saving is the owner's; the server says whether that is who asks.

/**
 * A name for a set that has none: never one that is taken, or it would become the next version of that set.
 * @param {string} name
 * @param {{ name: string }[]} sets
 */
function freeSetName(name, sets) {
  const taken = new Set(sets.map((set) => set.name));
  let number = 1;
  const numbered = () => (number === 1 ? name : `${name} ${number}`);
  while (taken.has(numbered())) number += 1;
  return numbered();
}

class Sets {
  constructor(bench) {
    this.bench = bench;
    this.known = { sets: [], may_save: false, may_submit: false };
    this.name = make("input.set-name", {
      type: "text",
      maxlength: 80,
      autocomplete: "off",
      spellcheck: "false",
      placeholder: word("set_name_hint"),
      "aria-label": word("set_name"),
      "data-testid": "set-name",
    });
    this.name.addEventListener("input", () => bench.edit((state) => (state.name = this.name.value), "set-name"));
    this.state = make("span.set-state", { "data-testid": "set-state" });
    this.open = chooser("open_set", "open-set", [], (name) => this.load(name, null));
    this.drafts = chooser("open_draft", "open-draft", [], (key) => this.takeDraft(key));
    const another = (version) => this.load(this.bench.state.set.name, Number(version));
    this.version = chooser("version", "set-version", [], another);
    this.undo = this.button("undo", "↶", () => bench.draft.undo());
    this.redo = this.button("redo", "↷", () => bench.draft.redo());
    nameIt(this.undo, word("undo"));
    nameIt(this.redo, word("redo"));
    this.save = this.button("save", word("save"), () => this.keep());
    this.train = this.button("train", word("train") + " →", () => this.toTraining(), "strong");
    this.submit = this.button("submit", word("submit"), () => this.toBoard(), "strong");
    this.file = make("input.unseen", {
      type: "file",
      accept: ".toml,text/plain",
      tabindex: -1,
      "aria-hidden": "true",
      "data-testid": "import-file",
    });
    this.file.addEventListener("change", () => this.take(this.file.files[0]));
    this.menu = make("details.menu", make("summary.plain", { "data-testid": "share" }, word("share")), this.menuList());
    this.told = make("p.told.set-told", { role: "status", hidden: true });
    const naming = make("div.row.naming", this.name, this.state, this.version);
    const doing = make(
      "div.row.doing",
      this.undo,
      this.redo,
      this.drafts,
      this.open,
      this.menu,
      this.save,
      this.submit,
      this.train,
    );
    this.node = make("header.box.sets", make("div.row.between", naming, doing), this.told, this.file);
    this.menu.addEventListener("keydown", (event) => event.key === "Escape" && this.closeMenu());
    document.addEventListener(
      "click",
      (event) => this.menu.contains(/** @type {Node} */ (event.target)) || (this.menu.open = false),
    );
    this.offerDrafts();
    this.ask();
  }

  button(testid, text, act, style = "") {
    return make("button", { class: "plain " + style, "data-testid": "bench-" + testid, onclick: act }, text);
  }

  menuList() {
    const item = (testid, act) => {
      const button = this.button(testid, word(testid), () => {
        this.closeMenu();
        act();
      });
      return make("li", button);
    };
    this.forget = item("delete_set", () => this.remove());
    return make(
      "ul.menu-list",
      item("download_toml", () => this.download("toml")),
      item("download_python", () => this.download("python")),
      item("import_file", () => this.file.click()),
      this.forget,
    );
  }

  closeMenu() {
    this.menu.open = false;
    this.menu.querySelector("summary").focus();
  }

  // What the server has saved, and what we may do.
  async ask() {
    try {
      const [me, { sets }] = await Promise.all([fetchJson("api/me"), fetchJson("api/rules/sets")]);
      const judges = me.access === "owner" || me.access === "annotator";
      this.known = { sets, may_save: me.access === "owner", may_submit: judges && props.classroom === "open" };
    } catch {
      return; // The bench works without; the next save says what is wrong.
    }
    this.offered = null;
    this.bench.show();
    if (this.bench.state.set) this.askVersions(this.bench.state.set.name);
  }

  async askVersions(name) {
    try {
      const { versions } = await fetchJson(`api/rules/sets/versions?name=${encodeURIComponent(name)}`);
      this.versions = { name, versions };
    } catch {
      this.versions = null;
    }
    this.listed = null;
    this.show(this.bench.state);
  }

  show(state) {
    const { set } = state;
    if (this.name.value !== state.name) this.name.value = state.name;
    const changed = !set || set.text !== textOf(state.rules) || set.name !== state.name;
    say(this.state, set ? word(changed ? "changed_since" : "saved_as", { version: set.version }) : word("not_saved"));
    toggle(this.state, "saved", !changed);
    this.undo.disabled = !this.bench.draft.past.length;
    this.redo.disabled = !this.bench.draft.future.length;
    const may = this.known.may_save;
    conceal(this.save, !may);
    conceal(this.train, !may);
    conceal(this.forget, !may || !set);
    conceal(this.submit, !this.known.may_submit);
    this.submit.disabled = !state.rules.length || Boolean(this.submitting);
    this.save.disabled = !changed || !state.rules.length;
    this.train.disabled = !state.rules.length;
    this.offerSets();
    this.offerVersions(set);
  }

  offerSets() {
    const text = JSON.stringify(this.known.sets);
    if (text === this.offered) return;
    this.offered = text;
    const named = this.known.sets.map(({ name, version }) => [name, `${name} · v${version}`]);
    this.open.replaceChildren(...options([["", word("open_set")], ...named]));
    conceal(this.open, !named.length);
  }

  // What other tabs of this browser left, and differs from what stands here.
  offerDrafts() {
    const found = this.bench.draft.savedDrafts.others(this.bench.state);
    const named = ({ saved, draft }) =>
      [
        draft.name.trim() || word("unnamed_set"),
        word("n_rules", { n: draft.rules.length }),
        ...(saved ? [ago(saved)] : []),
      ].join(" · ");
    this.drafts.replaceChildren(...options([["", word("open_draft")], ...found.map((one) => [one.key, named(one)])]));
    conceal(this.drafts, !found.length);
  }

  takeDraft(key) {
    const found = this.bench.draft.savedDrafts.kept().find((one) => one.key === key);
    if (found) this.bench.takeDraft(found.draft);
    tell(this.told, found ? word("draft_opened") : "");
  }

  offerVersions(set) {
    const versions = set && this.versions && this.versions.name === set.name ? this.versions.versions : [];
    conceal(this.version, versions.length < 2);
    const text = JSON.stringify([versions, set && set.version]);
    if (text === this.listed) return;
    this.listed = text;
    const named = ({ version, saved }) => [version, `v${version} · ${ago(moment(saved))}`];
    this.version.replaceChildren(...options(versions.map(named)));
    if (set) this.version.value = set.version;
  }

  async attempt(act) {
    try {
      tell(this.told, "");
      return await act();
    } catch (error) {
      tell(this.told, sentenceOf(error), true);
      return null;
    }
  }

  load(name, version) {
    this.open.value = "";
    if (!name) return;
    const asked = version === null ? "" : `&version=${version}`;
    this.attempt(async () => {
      const found = await fetchJson(`api/rules/sets/one?name=${encodeURIComponent(name)}${asked}`);
      this.bench.takeRules(found.rules, found.name, { name: found.name, version: found.version });
      await this.askVersions(found.name);
      tell(this.told, word("opened", { name: found.name, version: found.version }));
    });
  }

  // Saves what stands here; the version that it is now, or null.
  keep() {
    const { name, rules } = this.bench.state;
    const wanted = name.trim() || freeSetName(word("unnamed_set"), this.known.sets);
    return this.attempt(async () => {
      const saved = await fetchJson("api/rules/sets", { body: { name: wanted, rules: rules.map(sentRule) } });
      this.bench.draft.note((state) => {
        if (state.name === name) state.name = saved.name; // as the lab writes it, unless somebody typed on meanwhile
        state.set = { name: saved.name, version: saved.version, text: textOf(rules) };
      });
      await Promise.all([this.ask(), this.askVersions(saved.name)]);
      tell(this.told, word("saved_now", { name: saved.name, version: saved.version }));
      return saved;
    });
  }

  // Puts what stands here on the class's leaderboard; the lab scores it on recorded answers, and trains nothing.
  async toBoard() {
    const { name, rules } = this.bench.state;
    const title = name.trim() || word("unnamed_set");
    this.submitting = true;
    this.show(this.bench.state);
    await this.attempt(async () => {
      tell(this.told, word("submitting"));
      const { me, board } = await fetchJsonWhenFree("api/class/rules", { body: { title, rules: rules.map(sentRule) } });
      const place = board.findIndex((entry) => entry.person === me.id && entry.title === title);
      const score = place < 0 ? "–" : figure(board[place].score);
      tell(this.told, word("submitted", { title, score, place: place + 1, of: board.length }));
    });
    this.submitting = false;
    this.show(this.bench.state);
  }

  async toTraining() {
    const saved = await this.keep();
    if (saved) trigger("select", { name: saved.name, version: saved.version });
  }

  remove() {
    const { name } = this.bench.state.set;
    if (!confirm(word("delete_sure", { name }))) return;
    this.attempt(async () => {
      await fetchJson("api/rules/sets/delete", { body: { name } });
      this.bench.draft.note((state) => (state.set = null));
      await this.ask();
      tell(this.told, word("deleted", { name }));
    });
  }

  download(form) {
    this.attempt(async () => {
      const { name, rules } = this.bench.state;
      const { text, file } = await fetchJson("api/rules/share", {
        body: { form, name: name.trim() || word("unnamed_set"), rules: rules.map(sentRule) },
      });
      const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/plain" })), download: file });
      document.body.append(link);
      link.click();
      link.remove();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
  }

  take(file) {
    this.file.value = "";
    if (!file) return;
    this.attempt(async () => {
      const { rules } = await fetchJsonWhenFree("api/rules/import", {
        body: { file: file.name, text: await file.text() },
      });
      this.bench.takeRules(rules, file.name.replace(/\.toml$/i, ""), null);
      tell(this.told, word("imported", { file: file.name }));
    });
  }
}

// What a rule set is, as text: two that are equal here are the same set.
const textOf = (rules) => JSON.stringify(rules.map(sentRule));
