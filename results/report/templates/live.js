// Follows a search: asks whether its files have changed, and shows the new content in place of the old one.
"use strict";
const EVERY = 2000; // milliseconds between two questions
const bar = () => document.getElementById("live");

// What a reader has chosen on the page.
function choices() {
  const filter = document.getElementById("filter"), active = document.activeElement;
  const section = [...document.querySelectorAll("main > section")].findLast((one) => one.getBoundingClientRect().top < innerHeight / 3);
  return {
    filter: filter.value, state: document.getElementById("state").value,
    selection: active === filter ? [filter.selectionStart, filter.selectionEnd] : null,
    details: [...document.querySelectorAll("details")].map((one) => one.open),
    rows: [...document.querySelectorAll("tr.open")].map((row) => row.previousSibling.dataset.trial),
    drawn: [...charts.keys()].map((place) => place.dataset.figure),
    aside: [...document.querySelectorAll(".scroll")].map((part) => part.scrollLeft),
    section: section?.id, top: section?.getBoundingClientRect().top, y: scrollY,
  };
}

function choose(kept) {
  const filter = document.getElementById("filter");
  filter.value = kept.filter;
  document.getElementById("state").value = kept.state;
  filter.dispatchEvent(new Event("input"));
  if (kept.selection) {
    filter.focus({ preventScroll: true });
    filter.setSelectionRange(...kept.selection);
  }
  document.querySelectorAll("details").forEach((one, i) => { one.open = kept.details[i] ?? false; });
  kept.rows.forEach((trial) => document.querySelector(`tr.trial[data-trial="${trial}"]`)?.click());
  places.filter((place) => kept.drawn.includes(place.dataset.figure)).forEach(draw);
  document.querySelectorAll(".scroll").forEach((part, i) => { part.scrollLeft = kept.aside[i] ?? 0; });
  // The section that is read stays where it is, also if those above it have grown.
  const section = document.getElementById(kept.section);
  const top = kept.y && section ? scrollY + section.getBoundingClientRect().top - kept.top : kept.y;
  scrollTo({ top, behavior: "instant" });
}

async function answer(path) {
  const given = await fetch(path, { cache: "no-store" });
  if (!given.ok) throw new Error(await given.text());
  return given;
}

async function follow() {
  try {
    const { version } = await (await answer("version")).json();
    const differs = version !== bar().dataset.version || bar().classList.contains("lost");
    if (differs && getSelection().isCollapsed) { // what a reader selects stays
      const fresh = new DOMParser().parseFromString(await (await answer("content")).text(), "text/html");
      const kept = choices();
      clear();
      for (const part of [".top nav", "main", "#data"]) document.querySelector(part).replaceWith(document.adoptNode(fresh.querySelector(part)));
      show();
      choose(kept);
    }
  } catch (error) {
    document.getElementById("news").textContent = `The dashboard does not answer; this is the last state that it sent. (${error.message})`;
    bar().classList.add("lost");
  }
  if (bar().dataset.running === "true") setTimeout(follow, EVERY);
}
if (bar().dataset.running === "true") setTimeout(follow, EVERY);
