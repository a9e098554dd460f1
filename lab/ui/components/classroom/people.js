// Who is here, where they are and how far.

const PLACES = ["learn", "annotate", "judge", "rules", "train", "groups", "compare", "play", "class"];

function placeOf(person) {
  if (person.away) return word("away", { time: ago(1000 * person.seen) });
  if (person.run) return word(`run_${person.run}`);
  if (person.place === "judge" || person.place === "annotate")
    return person.judged < person.of ? word("at_pair", { number: person.judged + 1 }) : word("all_judged");
  if (person.place === "learn" && person.step) return word("at_step", { step: person.step });
  return PLACES.includes(person.place) ? word(`place_${person.place}`) : word("place_else");
}

function personLine(person, takeBack) {
  const done = person.of > 0 && person.judged >= person.of;
  return make(
    "li",
    { class: person.away ? "person away" : "person", "data-testid": "class-person" },
    make("b", person.name),
    make("span.quiet", placeOf(person)),
    bar(person.of ? person.judged / person.of : 0, done ? "done" : ""),
    make("span.count", (done ? "✓ " : "") + person.judged),
    button("⌫", () => takeBack(person), "small", {
      "aria-label": word("take_back", { name: person.name }),
      title: word("take_back", { name: person.name }),
      disabled: !person.judged,
    }),
  );
}

/** @param {any[]} people @param {(person: any) => void} takeBack */
function peopleList(people, takeBack) {
  if (!people.length) return make("p.quiet", word("nobody_here"));
  return make("ul.people", ...people.map((person) => personLine(person, takeBack)));
}
