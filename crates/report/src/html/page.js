"use strict";
// Only convenience: without this script the page shows everything.
(function () {
  var tools = document.getElementById("tools"), box = document.getElementById("filter"), shown = document.getElementById("shown");
  var buttons = Array.prototype.slice.call(tools.querySelectorAll("button"));
  // A case has a line in the list and, if it went wrong, an article; the heading above the line names policy and suite.
  var cases = Array.prototype.map.call(document.querySelectorAll("li[data-o]"), function (line) {
    var article = line.id.charAt(0) === "l" ? document.getElementById("c" + line.id.slice(1)) : null;
    return { elements: article ? [line, article] : [line], outcome: line.dataset.o, text: null };
  });
  var blocks = Array.prototype.slice.call(document.querySelectorAll("[data-block]"));
  var wanted = "", waiting = 0;

  function textOf(line) {
    var heading = line.parentElement.parentElement.querySelector("summary");
    return (line.querySelector(".name").textContent + " " + heading.textContent).toLowerCase();
  }

  function apply() {
    var words = box.value.toLowerCase().split(/\s+/).filter(Boolean), number = 0;
    cases.forEach(function (one) {
      if (words.length && one.text === null) { one.text = textOf(one.elements[0]); }
      var fits = (!wanted || one.outcome === wanted) && words.every(function (word) { return one.text.indexOf(word) >= 0; });
      one.elements.forEach(function (element) { if (element.hidden === fits) { element.hidden = !fits; } });
      if (fits) { number += 1; }
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
