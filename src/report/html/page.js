"use strict";
// Only convenience: without this script the page shows everything.
(function () {
  var tools = document.getElementById("tools"), box = document.getElementById("filter"), shown = document.getElementById("shown");
  var buttons = Array.prototype.slice.call(tools.querySelectorAll("button"));
  var cases = Array.prototype.map.call(document.querySelectorAll("[data-o]"), function (element) {
    return { element: element, outcome: element.dataset.o, text: null, list: element.tagName === "LI" };
  });
  var blocks = Array.prototype.slice.call(document.querySelectorAll("[data-block]"));
  var wanted = "", waiting = 0;

  function apply() {
    var words = box.value.toLowerCase().split(/\s+/).filter(Boolean), number = 0;
    cases.forEach(function (one) {
      if (words.length && one.text === null) { one.text = one.element.textContent.toLowerCase(); }
      var fits = (!wanted || one.outcome === wanted) && words.every(function (word) { return one.text.indexOf(word) >= 0; });
      if (one.element.hidden === fits) { one.element.hidden = !fits; }
      if (fits && one.list) { number += 1; }
    });
    blocks.forEach(function (block) { block.hidden = !block.querySelector("[data-o]:not([hidden])"); });
    shown.textContent = words.length || wanted ? number + " shown" : "";
  }
  box.addEventListener("input", function () { clearTimeout(waiting); waiting = setTimeout(apply, 80); });
  buttons.forEach(function (button) {
    button.addEventListener("click", function () {
      wanted = wanted === button.value ? "" : button.value;
      buttons.forEach(function (other) { other.setAttribute("aria-pressed", String(wanted !== "" && other.value === wanted)); });
      apply();
    });
  });
  function reveal() {
    var target = location.hash && document.getElementById(location.hash.slice(1));
    for (var around = target; around; around = around.parentElement) { if (around.tagName === "DETAILS") { around.open = true; } }
    var inside = target && target.tagName === "ARTICLE" && target.querySelector("details");
    if (inside) { inside.open = true; }
    if (target && target.hidden) { box.value = ""; wanted = ""; apply(); target.scrollIntoView(); }
  }
  window.addEventListener("hashchange", reveal);
  tools.hidden = false;
  reveal();
})();
