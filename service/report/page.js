// Draws the report's plots from the JSON in #figures, and fits them to the paper for printing.
"use strict";
const figures = JSON.parse(document.getElementById("figures").textContent);
const options = { displayModeBar: false, responsive: true, locale: "en-US" };
const places = Object.keys(figures).map((id) => document.getElementById(`plot-${id}`));

for (const [id, figure] of Object.entries(figures)) {
  const place = document.getElementById(`plot-${id}`);
  place.textContent = "";
  Plotly.newPlot(place, figure.data, figure.layout, options);
}

const PAPER = 680; // CSS pixels between the margins of A4
addEventListener("beforeprint", () => {
  document.querySelectorAll("details.more").forEach((more) => (more.open = true));
  places.forEach((place) => Plotly.relayout(place, { width: PAPER }));
});
addEventListener("afterprint", () => places.forEach((place) => Plotly.relayout(place, { width: null, autosize: true })));
