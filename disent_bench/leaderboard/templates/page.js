"use strict";

const sections = [...document.querySelectorAll("section[data-under]")];
const under = document.getElementById("under");
const dataset = document.getElementById("dataset");

function fill(select, values, chosen) {
  select.replaceChildren(...[...new Set(values)].map((value) => new Option(value, value)));
  if (values.includes(chosen)) select.value = chosen;
}

function enhance(section) {
  const table = section.querySelector("table.scores");
  if (table.dataset.enhanced) return;
  table.dataset.enhanced = "true";
  const rows = table.tBodies[0].rows.length;
  new DataTable(table, {
    autoWidth: false,
    order: [],
    pageLength: 100,
    paging: rows > 100,
    info: rows > 10,
    layout: {
      topStart: "search",
      topEnd: null,
      bottomStart: rows > 10 ? "info" : null,
      bottomEnd: rows > 100 ? "paging" : null,
    },
    language: {
      search: "filter",
      info: "rows _START_ to _END_ of _TOTAL_",
      infoEmpty: "no rows",
      infoFiltered: "that match, of _MAX_",
      zeroRecords: "no row has these words",
    },
  });
}

function show() {
  for (const section of sections) {
    section.hidden = section.dataset.under !== under.value || section.dataset.dataset !== dataset.value;
    if (!section.hidden) enhance(section);
  }
  const shown = sections.find((section) => !section.hidden);
  if (shown && sections.length > 1) history.replaceState(null, "", `#${shown.id}`);
}

function datasets() {
  const there = sections.filter((section) => section.dataset.under === under.value);
  fill(dataset, there.map((section) => section.dataset.dataset), dataset.value);
  show();
}

if (sections.length) {
  const named = sections.find((section) => `#${section.id}` === location.hash) ?? sections[0];
  fill(under, sections.map((section) => section.dataset.under), named.dataset.under);
  fill(dataset, [named.dataset.dataset], named.dataset.dataset);
  datasets();
  document.getElementById("switch").hidden = sections.length < 2;
  under.addEventListener("change", datasets);
  dataset.addEventListener("change", show);
}

const dialog = document.getElementById("behind");
const content = document.getElementById("behind-content");

document.addEventListener("click", (event) => {
  const button = event.target.closest("button.behind");
  if (button) {
    content.replaceChildren(document.getElementById(button.dataset.detail).content.cloneNode(true));
    dialog.showModal();
    dialog.scrollTop = 0;
  } else if (event.target === dialog) {
    dialog.close();
  }
});
dialog.addEventListener("close", () => content.replaceChildren());
