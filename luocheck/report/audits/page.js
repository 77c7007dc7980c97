"use strict";
// The page is complete without this: charts begin at their finding, j and k go from finding to finding, and what the pointer or the
// keyboard is on is told at the bottom.
(() => {
  const findings = [...document.querySelectorAll("article.finding")];
  const detail = document.getElementById("detail");
  let at = -1;
  for (const chart of document.querySelectorAll(".chart .scroll")) {
    const mark = chart.querySelector("a.finding line");
    if (mark !== null) chart.scrollLeft = Number(mark.getAttribute("x1")) - chart.clientWidth / 2;
  }
  const tell = (event) => {
    const bar = event.target.closest(".bar, .belief, .loss, svg a.finding");
    detail.hidden = bar === null;
    detail.textContent = bar === null ? "" : bar.querySelector("title").textContent;
  };
  document.addEventListener("mouseover", tell);
  document.addEventListener("focusin", tell);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || !["j", "k"].includes(event.key) || findings.length === 0) return;
    at = event.key === "j" ? Math.min(at + 1, findings.length - 1) : Math.max(at - 1, 0);
    findings[at].scrollIntoView({ block: "start" });
    findings[at].focus();
  });
})();
